// Package checkpoint reads trained weights: safetensors and PyTorch's files, one or many, mapped
// into memory; the tensor names of microsoft/unilm, flash-linear-attention and Hugging Face's models; and the
// description that each leaves beside its weights, which Import turns into a spec.
//
//	f, err := checkpoint.Open(spec.Checkpoint.Path) // maps, and checks every header
//	b, err := checkpoint.Bind(spec, f)              // every weight there, none left over, shapes right
//	w := b.Weight("self.q", 3)                      // a view of the mapping
//	w.Float32s(row, 0, len(row))                    // exact, whatever the file's type
//
// Files are input from strangers: whatever is in them, the answer is tensors or an error that
// names the file, the tensor and the byte; never a panic, and never more memory than a small
// multiple of the headers' size. The pickle in one of PyTorch's files can name tensors and nothing else; nothing of
// it is run. A file that shrinks while it is mapped is beyond that.
//
// The package must not know ops or passes, nor how a compiled model stores its weights.
package checkpoint
