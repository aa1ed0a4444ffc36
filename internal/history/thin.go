package history

import "slices"

// Bounds of a file. A sample takes about 300 bytes: 1.5 MiB are a week of five series at one sample in ten
// minutes, or the last hours at a few seconds, whichever a migration is.
const (
	// seriesCap is how many samples one series of one run may have before every second one goes.
	seriesCap = 600
	// keptBytes is how much is kept altogether, fileBytes how large the file may become before it is written anew.
	keptBytes = 3 << 19
	fileBytes = 2 * keptBytes
	// sparse series are not thinned for the sake of others.
	sparse = 64
)

// kept is one line in memory.
type kept struct {
	line []byte
	run  int
	// series is "" for what is never thinned.
	series string
}

// book is the logical content of the file: what it holds once it is written anew.
type book struct {
	lines   []kept
	bytes   int
	run     int // number of the last run
	dropped int
	counts  map[seriesKey]int
}

type seriesKey struct {
	run    int
	series string
}

func newBook() *book { return &book{counts: map[seriesKey]int{}} }

// add takes one line in and makes room for it. halved says that the line's series was thinned, so that its
// next samples have to be further apart.
func (b *book) add(line []byte, series string) (halved bool) {
	b.lines = append(b.lines, kept{line: line, run: b.run, series: series})
	b.bytes += len(line)
	key := seriesKey{b.run, series}
	if series != "" {
		b.counts[key]++
		if b.counts[key] > seriesCap {
			b.halve(key)
			halved = true
		}
	}
	for b.bytes > keptBytes && b.makeRoom() {
	}
	return halved
}

// halve removes every second sample of a series; its first and its last stay.
func (b *book) halve(key seriesKey) {
	last, n := b.counts[key]-1, -1
	b.remove(func(k kept) bool {
		if k.run != key.run || k.series != key.series {
			return false
		}
		n++
		return n%2 == 1 && n != last
	})
}

// makeRoom thins the longest series, or drops the oldest run; false when there is nothing to give up.
func (b *book) makeRoom() bool {
	var longest seriesKey
	most := sparse
	for key, n := range b.counts {
		if n > most || n == most && n > sparse && key.run < longest.run {
			longest, most = key, n
		}
	}
	if most > sparse {
		b.halve(longest)
		return true
	}
	if len(b.lines) > 0 && b.lines[0].run < b.run {
		oldest := b.lines[0].run
		b.remove(func(k kept) bool { return k.run == oldest })
		b.dropped++
		return true
	}
	return b.forget()
}

// forget drops half of what the only run left has said, but for its beginning: thousands of warnings.
func (b *book) forget() bool {
	const beginning = 64
	if len(b.lines) < 2*(beginning+1) {
		return false
	}
	n, upTo := -1, len(b.lines)/2
	b.remove(func(kept) bool { n++; return n >= beginning && n < upTo })
	return true
}

// remove takes the lines out for which out is true, asked in order.
func (b *book) remove(out func(kept) bool) {
	b.lines = slices.DeleteFunc(b.lines, func(k kept) bool {
		if !out(k) {
			return false
		}
		b.bytes -= len(k.line)
		if key := (seriesKey{k.run, k.series}); k.series != "" {
			if b.counts[key]--; b.counts[key] == 0 {
				delete(b.counts, key)
			}
		}
		return true
	})
}
