package schema

import "slices"

// Code is the stable name of a kind of mistake in a configuration, "PM1001".
type Code string

// The codes of the language. A code keeps its number and meaning for ever; one that is no longer
// given is not used again.
const (
	CodeSyntax            Code = "PM1001"
	CodeUnreadable        Code = "PM1002"
	CodeNoFiles           Code = "PM1003"
	CodeTooLarge          Code = "PM1004"
	CodeUnknownBlock      Code = "PM1005"
	CodeUnknownArgument   Code = "PM1006"
	CodeMissingArgument   Code = "PM1007"
	CodeMissingBlock      Code = "PM1008"
	CodeRepeatedBlock     Code = "PM1009"
	CodeLabel             Code = "PM1010"
	CodeDuplicateName     Code = "PM1011"
	CodeType              Code = "PM1012"
	CodeValue             Code = "PM1013"
	CodeReference         Code = "PM1014"
	CodeExpression        Code = "PM1015"
	CodeFunction          Code = "PM1016"
	CodeVariableUnset     Code = "PM1020"
	CodeVariableValue     Code = "PM1021"
	CodeVariableUnknown   Code = "PM1022"
	CodeVariableRefused   Code = "PM1023"
	CodeVariableBlock     Code = "PM1024"
	CodeVarFile           Code = "PM1025"
	CodeCycle             Code = "PM1026"
	CodeNoMeta            Code = "PM1030"
	CodeAddress           Code = "PM1031"
	CodeAddressTwice      Code = "PM1032"
	CodeNoAddress         Code = "PM1033"
	CodeRoutePath         Code = "PM1034"
	CodeTableName         Code = "PM1040"
	CodeSameTable         Code = "PM1041"
	CodePartitionCount    Code = "PM1042"
	CodeReplicaCount      Code = "PM1043"
	CodeEnvKey            Code = "PM1044"
	CodeEnvValue          Code = "PM1045"
	CodeEnvRefused        Code = "PM1046"
	CodeSharedTarget      Code = "PM1047"
	CodeClusterWanted     Code = "PM1048"
	CodeSameCluster       Code = "PM1049"
	CodeMethodUnavailable Code = "PM1050"
	CodeMethodUnknown     Code = "PM1051"
	CodeOtherMethod       Code = "PM1052"
	CodeNotYet            Code = "PM1053"
	CodeNoEffect          Code = "PM1054"
	CodeGate              Code = "PM1055"
	CodeDuration          Code = "PM1056"
	CodeSize              Code = "PM1057"
	CodeLimit             Code = "PM1058"
	CodeRoutedName        Code = "PM1059"
	CodeTicketRoute       Code = "PM1060"
	CodeProvider          Code = "PM1061"
	CodeProviderWanted    Code = "PM1062"
	CodeBackupPath        Code = "PM1063"
	CodeSourceBackup      Code = "PM1064"
	CodeFilter            Code = "PM1065"
	CodeConflict          Code = "PM1066"
)

// CodeInfo explains one code, for documentation.
type CodeInfo struct {
	Code    Code
	Title   string // a few words, lower case
	Meaning string // one sentence
	Hint    string // what to do about it in general; the diagnostic's own hint is more exact
}

// Codes gives every code in ascending order.
func Codes() []CodeInfo { return codeTable() }

// LookupCode explains a code; false when schema has no such code.
func LookupCode(code Code) (CodeInfo, bool) {
	table := codeTable()
	i := slices.IndexFunc(table, func(c CodeInfo) bool { return c.Code == code })
	if i < 0 {
		return CodeInfo{}, false
	}
	return table[i], true
}
