package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestTable(t *testing.T) {
	dir := fstest.MapFS{}
	for name, text := range map[string]string{
		"a-q8.1.yococ.json": `{"results":[{"test":"pp512","depth":0,"tokens_per_s":3000,"limit_fraction":0.5},
			{"test":"pp4096","tokens_per_s":2000},{"test":"tg32","tokens_per_s":100.5}],"weights_bytes":150000000}`,
		"a-q8.2.yococ.json": `{"results":[{"test":"pp512","tokens_per_s":3200,"limit_fraction":0.6}],"weights_bytes":150000000}`,
		"a-q8.3.yococ.json": `{"results":[{"test":"pp512","tokens_per_s":2900,"limit_fraction":null}],"weights_bytes":150000000}`,
		"a-q8.1.peer.json": `[{"n_prompt":512,"n_gen":0,"avg_ts":1500,"model_size":143000000},
			{"n_prompt":0,"n_gen":32,"avg_ts":67,"model_size":143000000}]`,
		"a-q8.2.peer.json":        `[{"n_prompt":512,"n_gen":0,"avg_ts":1000,"model_size":143000000}]`,
		"a-q8.3.peer.json":        `[{"n_prompt":512,"n_gen":0,"avg_ts":1600,"model_size":143000000}]`,
		"a-q8.1.read":             "30.1\n",
		"a-q8.2.read":             "33.5\n",
		"a-q8.1.yococ.others":     "0.014\n",
		"a-q8.2.peer.others":      "0.029\n",
		"a-q8.3.peer.others":      "",
		"a-q8.10.yococ.json":      `{"results":[{"test":"pp512","tokens_per_s":3100}],"weights_bytes":150000000}`,
		"c-q8-d16384.1.peer.json": `[{"n_prompt":16384,"n_gen":16,"avg_ts":2.4321,"model_size":3438000000}]`,
		"uname":                   "not of a round",
		"a-q8.1.peer.err":         "not of a kind",
	} {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	rows, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	printTable(&b, rows)
	want := `| case | test | rounds | yococ t/s | peer t/s | ratio | of limit | memory GB/s | others | weights MB, peer's |
| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| a-q8 | pp512 | 4 | 3050 (2900–3200) | 1500 (1000–1600) | **2.00** (1.81–3.20) | 0.55 (0.50–0.60) | 32 (30–34) | 3 % | 150, 143 |
| a-q8 | pp4096 | 1 | 2000 |  |  |  | 32 (30–34) | 3 % | 150,  |
| a-q8 | tg32 | 1 | 100.5 | 67 | **1.50** |  | 32 (30–34) | 3 % | 150, 143 |
| c-q8-d16384 | tg16 | 1 |  | 2.432 |  |  |  |  | , 3438 |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTableErrors(t *testing.T) {
	for name, text := range map[string]string{"a.1.yococ.json": "{", "a.1.peer.json": "", "a.1.read": "fast", "a.1.peer.others": "many"} {
		_, err := read(fstest.MapFS{name: &fstest.MapFile{Data: []byte(text)}})
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
