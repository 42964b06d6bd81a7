//go:build race || arm64 || purego

package kernel

const numCuts, numTeams, longest = 2, 1, 600
