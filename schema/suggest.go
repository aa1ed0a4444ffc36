package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// suggest gives the candidate that given was most likely meant to be, "" when none is near.
func suggest(given string, candidates []string) string {
	if len(given) > 256 { // nothing of ours is as long; keeps the distance cheap
		return ""
	}
	best, bestCost := "", 0
	for _, c := range candidates {
		cost := levenshtein.Distance(strings.ToLower(given), strings.ToLower(c), nil)
		if best == "" || cost < bestCost {
			best, bestCost = c, cost
		}
	}
	// A third of the letters may be wrong, and at least one.
	if best == "" || bestCost > max(1, len(best)/3) {
		return ""
	}
	return best
}

// didYouMean is a hint that names the nearest candidate, or lists them all when none is near.
func didYouMean(given string, candidates []string, listIntro string) string {
	if s := suggest(given, candidates); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	if len(candidates) == 0 {
		return ""
	}
	return listIntro + " " + list(candidates)
}

// list joins names for a sentence, sorted.
func list(names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	return strings.Join(sorted, ", ")
}
