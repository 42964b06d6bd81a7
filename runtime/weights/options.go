package weights

// An Option of Open.
type Option func(*options)

type options struct {
	huge   Huge
	verify bool
}

// Huge says when weights are moved to huge pages, which a mapped file has none of: a core then
// finds an address in one step for 2 MB instead of 4 KB, and streams weights faster.
type Huge int

const (
	// InBackground moves them after Open, a piece at a time and with rests, while they are in use: the
	// default. A file below 64 MB stays as it is, and so does one that the system has too little memory
	// for.
	InBackground Huge = iota
	// AtOnce moves them before a model is opened, a small file's too.
	AtOnce
	// Never leaves them in the mapped file, of which processes share the memory.
	Never
)

// HugePages says when weights are moved to huge pages. Where the system knows no way they stay in
// the file's own mapping: so it is everywhere but on linux/amd64 and linux/arm64.
func HugePages(h Huge) Option { return func(o *options) { o.huge = h } }

// VerifyPayload has Open read the whole file and compare it with the checksums in its header.
func VerifyPayload() Option { return func(o *options) { o.verify = true } }
