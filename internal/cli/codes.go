package cli

// Codes of what goes wrong in a command itself, beside those of schema (PM10xx), plan (PM2xxx) and
// apply (PM30xx). A code keeps its meaning for ever; PM1940 was a flag of a later release.
const (
	codeNoMigration       = "PM1900" // none is declared
	codeWhichOne          = "PM1901" // several are declared, none is named
	codeNoSuchOne         = "PM1902"
	codeArguments         = "PM1903"
	codeVar               = "PM1904"
	codeFlag              = "PM1905"
	codeCommand           = "PM1906"
	codeFormat            = "PM1910"
	codePlanNotSaved      = "PM1911"
	codeNotApproved       = "PM1912"
	codeGate              = "PM1913"
	codePlanNotShown      = "PM1914"
	codeNothingLost       = "PM1920" // -adopt although the state is there
	codeNoMarker          = "PM1921"
	codeNoState           = "PM1930"
	codeNothingToUndo     = "PM1931"
	codeNothingToComplete = "PM1932"
	codeNoCertificate     = "PM1933"
	codeMetrics           = "PM1934"
	codeHistory           = "PM1935" // a warning: a run goes on without one
	codeRepairMoved       = "PM1941" // clients are on the target: it is the truth
	codeRepairNotOurs     = "PM1942" // another migration is at work, or the target takes no writes
	codeRepairFailed      = "PM1943"
	codeReportUnusable    = "PM1944" // cut off, of a later form, or no report at all
	codeReportOther       = "PM1945" // of other tables, or of another migration
	codeUnreadable        = "PM1950"
	codeUnwritable        = "PM1951"
	codeStarter           = "PM1970"
	codeSandbox           = "PM1980"
	codeSortKeys          = "PM1981"
	codeTraffic           = "PM1982"
	codeTrafficLost       = "PM1983" // an acknowledged write is missing, or a deleted row is back

	codeControlNobody   = "PM1985" // no run is under way
	codeControlValue    = "PM1986" // no such limit, or no such value
	codeControlDeclared = "PM1987" // above what is declared
	codeControl         = "PM1988" // the run could not be reached or understood
	codeControlSocket   = "PM1989" // a warning: a run goes on and cannot be controlled

	codeSplit          = "PM1990" // a split that could not go on
	codeSplitSource    = "PM1991" // the backup, or a file in it
	codeSplitStore     = "PM1992" // the store: no room, no permission, not there
	codeSplitMisplaced = "PM1993"
	codeSplitOther     = "PM1994" // the folder holds another split, or another run works there

	codeStateLocked   = "PM3021"
	codeStateUnusable = "PM3022"
	codeStateNewer    = "PM3023"
	codeStateLineage  = "PM3024"

	codeHeld  = "PM3066" // a warning: rows stand still, or move again
	codeEased = "PM3067" // a warning: rows move more slowly
)
