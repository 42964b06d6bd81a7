// Command table reads what compare.sh recorded in a folder and prints it as a markdown table: for every
// test the medians over the rounds of both engines, their ratio, and the memory speed measured beside.
//
//	go run ./tests/bench/table DIR
//
// A round of a case is CASE.ROUND.yococ.json, what yococ bench --json printed; CASE.ROUND.peer.json, what
// llama-bench -o json printed; CASE.ROUND.read, gigabytes a second; CASE.ROUND.yococ.others and .peer.others,
// the share of the machine's processor time that other processes and other guests had. A file that is missing
// leaves its cell empty.
//
// It may not run anything, nor import anything of ours: it reads the two commands' output as any user would.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "table: want one folder")
		os.Exit(2)
	}
	rows, err := read(os.DirFS(os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(2)
	}
	printTable(os.Stdout, rows)
}
