// Package corpus is cases: everything that one test needs, as one text file.
//
// [Parse] and [Case.Text] read and write them; [Decode] and [DecodeProgram]
// make one of any bytes, for `go test -fuzz`; [Shrink] makes a failing one
// small, in the order of [Compare]; [Report] writes the folder that a bug
// tracker needs. The package knows no oracle: who runs cases is package props.
package corpus
