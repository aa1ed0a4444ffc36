package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// longestName bounds what is compared: nothing of ours is as long, and the distance of long texts
// costs much.
const longestName = 256

// suggest gives the candidate that given was most likely meant to be, "" when none is near.
func suggest(given string, candidates []string) string {
	near := nearest(given, candidates)
	if len(near) == 0 {
		return ""
	}
	// A third of the letters may be wrong; at least one, and two neighbours may be swapped.
	best := near[0]
	allowed := max(1, len(best)/3)
	if len(best) >= 4 {
		allowed = max(2, allowed)
	}
	if distance(given, best) > allowed {
		return ""
	}
	return best
}

func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

// nearest sorts the candidates by their distance from given.
func nearest(given string, candidates []string) []string {
	if len(given) > longestName {
		return nil
	}
	out := slices.Sorted(slices.Values(candidates))
	slices.SortStableFunc(out, func(a, b string) int { return distance(given, a) - distance(given, b) })
	return out
}

// didYouMean is a hint that names the nearest candidate; when none is near, all of them, or three
// when they are many.
func didYouMean(given string, candidates []string, listIntro string) string {
	if s := suggest(given, candidates); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	const many = 10
	if len(candidates) > many {
		near := nearest(given, candidates)
		if len(near) == 0 {
			return ""
		}
		return "the nearest are " + strings.Join(near[:3], ", ")
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
