//go:build race

package apply_test

// raceEnabled says that everything takes ten times as long.
const raceEnabled = true
