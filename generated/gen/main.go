// Command gen compiles the small models of this repository to the packages in generated. Run it
// anywhere in the module; -o names another root than the module's.
//
// Imports: internal/driver, internal/testmodel. Outside the standard library: nothing.
// May not: know how a package is compiled.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
)

//go:generate go run .

func main() {
	out := flag.String("o", "", "root below which generated is written; the module's if empty")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(out string) (err error) {
	if out == "" {
		if out, err = testmodel.Root(); err != nil {
			return err
		}
	}
	for _, m := range testmodel.Models {
		loaded, err := m.Load()
		if err != nil {
			return err
		}
		files := loaded.Package.Files
		loaded.Close()
		if err := driver.WriteFiles(filepath.Join(out, "generated", m.Name), files); err != nil {
			return err
		}
	}
	return nil
}
