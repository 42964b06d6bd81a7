// Package snapshot keeps pieces of memory in one file, which is read back whole or not at all: every
// byte is covered by a checksum, and all of them are compared before the file counts as read.
//
//	offset  bytes
//	0       8     magic, "yocosave"
//	8       4     version, 1
//	12      4     H, the length of the header, a multiple of 4096
//	16      8     the length of the file
//	24      4     d, the length of the description
//	28      4     p, the number of pieces
//	32      8     r, the number of runs
//	40      d     the description, which is the caller's
//	40+d    8p    lengths of the pieces
//	…       16r   runs: the first page and the number of pages, 8 bytes each
//	…       4c    checksums of the payload, one a megabyte
//	…       …     zeros
//	H-4     4     checksum of the H-4 bytes before
//	H       …     the payload: the pages of the runs
//
// A piece is as many pages of 4096 bytes as it takes, the last one filled up with zeros; the pages of all
// pieces are counted through. Pages of zeros are not stored: the runs say which are, in ascending
// order, and no run touches the next. So equal pieces make equal files, and memory that is
// hardly used makes a small one. Numbers are little-endian, checksums are CRC-32C.
//
// Imports: nothing of ours. Outside the standard library: nothing.
// May not: know what the pieces are.
package snapshot
