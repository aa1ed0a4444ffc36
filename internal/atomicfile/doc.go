// Package atomicfile replaces files so that a reader, a killed process and a power cut see either the whole old
// content or the whole new one.
//
// "Atomic" here means three things, in this order. A process that opens the path at any moment reads one complete
// version. A process that is killed at any moment leaves one complete version (and perhaps a hidden temporary file,
// which [RemoveTemporary] clears). A machine that loses power leaves one complete version, and the new one for certain
// once [WriteFile] has returned nil: the temporary file is fsynced before the rename and the folder after it.
//
// Everything goes through [FS], so that a test can fail or kill at every single operation ([Observed]) and can look at
// the disk as power loss would leave it (package crashfs).
package atomicfile
