// Package weights is the packed weight file of a compiled model: a valid safetensors file whose
// tensors are already in the kernels' layout, so that opening it is a map and a look at its header.
//
//	offset  bytes
//	0       8        length H of the header, little-endian
//	8       H        JSON, filled up with spaces; 8+H is a multiple of 4096
//	8+H     …        the tensors, in the header's order, without gaps
//
// Every tensor begins at a multiple of 64, those of two and more dimensions at a multiple of
// 4096. Where the one before does not end there, a tensor _pad.N of zero bytes comes between.
//
// The header's __metadata__ holds
//
//	format       yococ
//	version      1
//	fingerprint  ties the file to the package that was compiled with it
//	header       SHA-256 of the first 8+H bytes, with these 64 digits taken as zeros
//	sha256.NAME  SHA-256 of the payload of tensor NAME
//
// Open checks everything but the payload; Verify checks that. Numbers are little-endian.
//
// Imports: runtime/room. Outside the standard library: nothing.
// May not: import anything of the compiler.
package weights
