package plan

import "fmt"

// Severity ranks a check.
type Severity string

// The severities. Error forbids apply; Warning is shown and does not.
const (
	OK      Severity = "ok"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Check is one preflight finding.
type Check struct {
	Code     string   `json:"code,omitempty"` // PM2xxx, "" for ok
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
	// Place is "file:line,column" of the declaration that the finding is about.
	Place string `json:"place,omitempty"`
	// Loud marks a warning that is shown in red: the operator gave up a guarantee.
	Loud bool `json:"loud,omitempty"`
}

// Codes of the checks. A code keeps its meaning for ever; retired ones are not used again.
const (
	CodeClusterSilent     = "PM2001" // no meta server answers
	CodeNoLeader          = "PM2002" // meta servers answer, but the leader cannot be reached
	CodeNodeSilent        = "PM2003" // a replica server did not tell its version
	CodeVersion           = "PM2004" // server version that this release does not support
	CodeMetaLevel         = "PM2005" // meta function level forbids table changes
	CodeSameTable         = "PM2006" // source and target are one table
	CodeTableUnread       = "PM2007" // a table could not be looked at
	CodeSourceMissing     = "PM2101"
	CodeSourceDropped     = "PM2102"
	CodeSourceBusy        = "PM2103" // creating, recalling, dropping
	CodeSplitting         = "PM2104"
	CodeUnhealthy         = "PM2105"
	CodeBulkLoading       = "PM2106"
	CodeDuplicating       = "PM2107"
	CodeDataVersion       = "PM2110"
	CodeTargetExists      = "PM2120"
	CodeTargetHasRows     = "PM2121"
	CodeTargetShape       = "PM2122"
	CodeReplicasOverNodes = "PM2123"
	CodeReplicasOverLimit = "PM2124"
	CodePartitionCount    = "PM2125"
	CodeTargetDenies      = "PM2126"
	CodeForeignMarker     = "PM2130"
	CodeLostState         = "PM2131"
	CodeDamagedMarker     = "PM2132"
	CodeTTLStamps         = "PM2141"
	CodeSourceDenies      = "PM2142"
	CodeEnvNotCarried     = "PM2143"
	CodeEnvUnknown        = "PM2144"
	CodeWritersStopped    = "PM2150"
	CodeWritersAccepted   = "PM2151"
	CodeRejectBudget      = "PM2152"
	CodeVerifyOff         = "PM2153"
	CodeCatchUpWindow     = "PM2154" // a budget that a catch-up cannot keep, or seldom
	CodeSomePartitions    = "PM2155" // partitions that the source does not have
	CodeOverwriteRefused  = "PM2156" // servers refuse the writes of overwrite = "never"
	CodeExpiryDropped     = "PM2157" // rows without expiry meet a default_ttl
	CodeMergedRows        = "PM2158" // what a copy into a table with rows cannot tell
	CodeVerifyPart        = "PM2159" // a comparison that proves a part
	CodeDisk              = "PM2160"
	CodeThrottled         = "PM2162"
	CodeWriteSize         = "PM2163"
	CodeStopIf            = "PM2164" // a threshold that stops rows at once, or soon
	CodeIndexExists       = "PM2165" // the table of a geo index is there already
	CodeIndexNotes        = "PM2166" // what a geo index is made without
	CodeDupVersion        = "PM2201" // two versions between which a duplication never gets to its log
	CodeDupDisabled       = "PM2202"
	CodeDupConfig         = "PM2203" // ids or addresses are missing in a server's configuration
	CodeDupProbe          = "PM2204" // the meta's answer to a duplication of a table that does not exist
	CodeDupUnread         = "PM2205" // a server did not tell its configuration
	CodeDupTargetExists   = "PM2206"
	CodeDupName           = "PM2207" // another table name or replica count than the servers can give
	CodeDupReplicas       = "PM2208"
	CodeDupPartitions     = "PM2209"
	CodeDupEmpty          = "PM2210" // a partition without rows has no checkpoint
	CodeDupOther          = "PM2211" // the table is being duplicated already
	CodeDupEnv            = "PM2212" // an env that must not be cloned
	CodeDupThrottled      = "PM2213"
	CodeNonIdempotent     = "PM2214"
	CodeDupRowSize        = "PM2215"
	CodeLogDisk           = "PM2216"
	CodeDupTTL            = "PM2217"
	CodeSameID            = "PM2218" // another table of the target has the source's app id
	CodeDupFailMode       = "PM2219"
	CodeWindowBudget      = "PM2220"
	CodeIntervals         = "PM2221"
	CodeDupSelf           = "PM2222" // source and target are one cluster
	CodeDupGone           = "PM2223" // a run that goes on does not find its duplication
	CodeDupOrder          = "PM2224" // writes to one key may arrive in another order
	CodeRouteMissing      = "PM2230"
	CodeRouteElsewhere    = "PM2231"
	CodeRouteReadOnly     = "PM2232"
	CodeProxyPlan         = "PM2233"
	CodeNoRoute           = "PM2234" // clients are changed by hand
	CodeUnfenced          = "PM2235" // the source is to take writes again
	CodeReturn            = "PM2236" // what a return ticket is worth, and until when
	CodeReturnWrites      = "PM2237" // writes that fail on the target as long as there is a ticket
	CodeReturnDisk        = "PM2238"
	CodeReturnOpen        = "PM2239" // the old source takes writes as long as there is a ticket
	CodeReturnWindow      = "PM2240" // a budget that the way back cannot keep
	CodeReturnTTL         = "PM2241" // expiries that differ on the way back
	CodeMetaName          = "PM2244" // a name in meta_servers that has no address
	CodeFilesUnread       = "PM2300" // nobody asked the servers about backups
	CodeProviderMissing   = "PM2301"
	CodeProviderOther     = "PM2302" // the servers mean another place by the provider's name
	CodeProviderUnread    = "PM2303"
	CodeBackupDisabled    = "PM2304"
	CodeBackupRoot        = "PM2305" // cold_backup_root
	CodeBackupUnderway    = "PM2306"
	CodeBackupUploading   = "PM2307"
	CodeAdopt             = "PM2308"
	CodeBackupMissing     = "PM2309" // the declared backup is not there, or not whole
	CodeBackupCounts      = "PM2310" // a restore keeps partition and replica count
	CodeSkipBad           = "PM2311"
	CodeStoreSilent       = "PM2312"
	CodeStoreReadOnly     = "PM2313"
	CodeStoreRoom         = "PM2314"
	CodeRateNoEffect      = "PM2315"
	CodeRateUnread        = "PM2316"
	CodeLoadBusy          = "PM2320" // a cluster does one bulk load at a time
	CodeLoadDuplicating   = "PM2321"
	CodeLoadUsage         = "PM2322"
	CodeStaged            = "PM2323" // files for another load are there
	CodeDualWriters       = "PM2330"
	CodeDualAtomic        = "PM2331" // incr and check_and_* under dual writing
	CodeIdentity          = "PM2180"
	CodeDrifted           = "PM2181"
	CodeStale             = "PM2190"
	CodePlanVersion       = "PM2191"
	CodePlanEdited        = "PM2192"
	CodePlanUnreadable    = "PM2193"
)

// checks collects findings while a plan is built.
type checks struct {
	list []Check
}

func (c *checks) ok(format string, args ...any) {
	c.list = append(c.list, Check{Severity: OK, Text: fmt.Sprintf(format, args...)})
}

func (c *checks) add(code string, severity Severity, place, hint, format string, args ...any) {
	c.list = append(c.list, Check{
		Code: code, Severity: severity, Place: place, Hint: hint, Text: fmt.Sprintf(format, args...),
	})
}

func (c *checks) fail(code, place, hint, format string, args ...any) {
	c.add(code, Error, place, hint, format, args...)
}

func (c *checks) warn(code, place, hint, format string, args ...any) {
	c.add(code, Warning, place, hint, format, args...)
}

// failed says whether any finding so far is an error.
func (c *checks) failed() bool {
	for _, k := range c.list {
		if k.Severity == Error {
			return true
		}
	}
	return false
}
