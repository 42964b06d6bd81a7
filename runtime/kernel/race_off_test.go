//go:build !race

package kernel

const numCuts, numTeams = 6, 4
