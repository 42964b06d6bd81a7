// Command gguf writes a decoder-only Transformer of the Llama architecture with random weights as a
// GGUF file, for a llama-bench beside yococ bench. Its sizes are those of a spec: as many layers as both
// halves together, the cross-decoder's heads and FFN, the cache's key/value heads.
//
//	go run ./tests/bench/gguf -type q8_0 -o bench-a.q8_0.gguf models/bench-a.yaml
//
// Every matrix, the embedding and the output projection among them, is in the type that is asked for, the
// norms are ones in float32. Quantized blocks are drawn as they lie in the file, not quantized: they
// measure speed and nothing else. The same arguments write the same bytes.
//
// It may not know ops, passes or the packed weight file, nor read a GGUF file.
package main
