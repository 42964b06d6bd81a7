package host

import (
	"encoding/gob"
	"reflect"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestOptions: each of a session's options arrives in the other process, but for a cache of prefixes, which is of one
// process and cannot be sent.
func TestOptions(t *testing.T) {
	var all rt.Options
	v := reflect.ValueOf(&all).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(int64(i + 1))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("avx2")
		default:
			if v.Type().Field(i).Name != "Prefixes" {
				t.Errorf("%s is of a kind that this test does not know", v.Type().Field(i).Name)
			}
		}
	}
	if got := optionsOf(all).session(); got != all {
		t.Errorf("%+v, want %+v", got, all)
	}
	if _, ok := any(&rt.PrefixCache{}).(gob.GobEncoder); ok {
		t.Error("a cache of prefixes can be sent")
	}
}
