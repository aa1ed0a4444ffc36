package idl

// AddBackupPolicyRequest adds a policy of regular backups.
type AddBackupPolicyRequest struct {
	BackupProviderType       string
	PolicyName               string
	AppIDs                   []int32
	BackupIntervalSeconds    int64
	BackupHistoryCountToKeep int32
	// StartTime is "HH:MM" of the day.
	StartTime string
}

// AppendTo implements Message.
func (m *AddBackupPolicyRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.BackupProviderType)
	b = putString(b, 2, m.PolicyName)
	b = putI32s(b, 3, m.AppIDs)
	b = putI64(b, 4, m.BackupIntervalSeconds)
	b = putI32(b, 5, m.BackupHistoryCountToKeep)
	b = putString(b, 6, m.StartTime)
	return append(b, tStop)
}

// Decode implements Message.
func (m *AddBackupPolicyRequest) Decode(d *Decoder) {
	*m = AddBackupPolicyRequest{}
	for d.next("AddBackupPolicyRequest") {
		switch d.id {
		case 1:
			m.BackupProviderType = d.str()
		case 2:
			m.PolicyName = d.str()
		case 3:
			m.AppIDs = d.i32s()
		case 4:
			m.BackupIntervalSeconds = d.i64()
		case 5:
			m.BackupHistoryCountToKeep = d.i32()
		case 6:
			m.StartTime = d.str()
		default:
			d.skip()
		}
	}
}

// AddBackupPolicyResponse answers AddBackupPolicyRequest.
type AddBackupPolicyResponse struct {
	Err         ErrorCode
	HintMessage string
}

// AppendTo implements Message.
func (m *AddBackupPolicyResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *AddBackupPolicyResponse) Decode(d *Decoder) {
	*m = AddBackupPolicyResponse{}
	for d.next("AddBackupPolicyResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}

// ModifyBackupPolicyRequest changes a policy.
type ModifyBackupPolicyRequest struct {
	PolicyName               string
	AddAppIDs                []int32
	RemovalAppIDs            []int32
	NewBackupIntervalSec     *int64
	BackupHistoryCountToKeep *int32
	IsDisable                *bool
	StartTime                *string
	// ForceDisable is understood by servers newer than 2.5 only.
	ForceDisable *bool
}

// AppendTo implements Message.
func (m *ModifyBackupPolicyRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.PolicyName)
	b = optI32s(b, 2, m.AddAppIDs)
	b = optI32s(b, 3, m.RemovalAppIDs)
	b = optI64(b, 4, m.NewBackupIntervalSec)
	b = optI32(b, 5, m.BackupHistoryCountToKeep)
	b = optBool(b, 6, m.IsDisable)
	b = optString(b, 7, m.StartTime)
	b = optBool(b, 8, m.ForceDisable)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ModifyBackupPolicyRequest) Decode(d *Decoder) {
	*m = ModifyBackupPolicyRequest{}
	for d.next("ModifyBackupPolicyRequest") {
		switch d.id {
		case 1:
			m.PolicyName = d.str()
		case 2:
			m.AddAppIDs = d.i32s()
		case 3:
			m.RemovalAppIDs = d.i32s()
		case 4:
			m.NewBackupIntervalSec = new(d.i64())
		case 5:
			m.BackupHistoryCountToKeep = new(d.i32())
		case 6:
			m.IsDisable = new(d.bool())
		case 7:
			m.StartTime = new(d.str())
		case 8:
			m.ForceDisable = new(d.bool())
		default:
			d.skip()
		}
	}
}

// ModifyBackupPolicyResponse answers ModifyBackupPolicyRequest.
type ModifyBackupPolicyResponse struct {
	Err         ErrorCode
	HintMessage string
}

// AppendTo implements Message.
func (m *ModifyBackupPolicyResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ModifyBackupPolicyResponse) Decode(d *Decoder) {
	*m = ModifyBackupPolicyResponse{}
	for d.next("ModifyBackupPolicyResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}

// PolicyEntry describes a policy.
type PolicyEntry struct {
	PolicyName               string
	BackupProviderType       string
	BackupIntervalSeconds    string
	AppIDs                   []int32
	BackupHistoryCountToKeep int32
	StartTime                string
	IsDisable                bool
}

// AppendTo implements Message.
func (m *PolicyEntry) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.PolicyName)
	b = putString(b, 2, m.BackupProviderType)
	b = putString(b, 3, m.BackupIntervalSeconds)
	b = putList(b, 4, tSet, tI32, m.AppIDs, rawI32[int32])
	b = putI32(b, 5, m.BackupHistoryCountToKeep)
	b = putString(b, 6, m.StartTime)
	b = putBool(b, 7, m.IsDisable)
	return append(b, tStop)
}

// Decode implements Message.
func (m *PolicyEntry) Decode(d *Decoder) {
	*m = PolicyEntry{}
	for d.next("PolicyEntry") {
		switch d.id {
		case 1:
			m.PolicyName = d.str()
		case 2:
			m.BackupProviderType = d.str()
		case 3:
			m.BackupIntervalSeconds = d.str()
		case 4:
			m.AppIDs = decodeSet(d, tI32, 4, (*Decoder).rawI32)
		case 5:
			m.BackupHistoryCountToKeep = d.i32()
		case 6:
			m.StartTime = d.str()
		case 7:
			m.IsDisable = d.bool()
		default:
			d.skip()
		}
	}
}

// BackupEntry describes one backup that a policy made.
type BackupEntry struct {
	BackupID    int64
	StartTimeMs int64
	EndTimeMs   int64
	AppIDs      []int32
}

// AppendTo implements Message.
func (m *BackupEntry) AppendTo(b []byte) []byte {
	b = putI64(b, 1, m.BackupID)
	b = putI64(b, 2, m.StartTimeMs)
	b = putI64(b, 3, m.EndTimeMs)
	b = putList(b, 4, tSet, tI32, m.AppIDs, rawI32[int32])
	return append(b, tStop)
}

// Decode implements Message.
func (m *BackupEntry) Decode(d *Decoder) {
	*m = BackupEntry{}
	for d.next("BackupEntry") {
		switch d.id {
		case 1:
			m.BackupID = d.i64()
		case 2:
			m.StartTimeMs = d.i64()
		case 3:
			m.EndTimeMs = d.i64()
		case 4:
			m.AppIDs = decodeSet(d, tI32, 4, (*Decoder).rawI32)
		default:
			d.skip()
		}
	}
}

// QueryBackupPolicyRequest lists policies and their last backups.
type QueryBackupPolicyRequest struct {
	// PolicyNames selects policies, empty all of them.
	PolicyNames     []string
	BackupInfoCount int32
}

// AppendTo implements Message.
func (m *QueryBackupPolicyRequest) AppendTo(b []byte) []byte {
	b = putStrings(b, 1, m.PolicyNames)
	b = putI32(b, 2, m.BackupInfoCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBackupPolicyRequest) Decode(d *Decoder) {
	*m = QueryBackupPolicyRequest{}
	for d.next("QueryBackupPolicyRequest") {
		switch d.id {
		case 1:
			m.PolicyNames = d.strings()
		case 2:
			m.BackupInfoCount = d.i32()
		default:
			d.skip()
		}
	}
}

// QueryBackupPolicyResponse answers QueryBackupPolicyRequest.
type QueryBackupPolicyResponse struct {
	Err     ErrorCode
	Policys []PolicyEntry
	// BackupInfos has one list per policy.
	BackupInfos [][]BackupEntry
	HintMsg     *string
}

// AppendTo implements Message.
func (m *QueryBackupPolicyResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStructs(b, 2, m.Policys)
	b = putList(b, 3, tList, tList, m.BackupInfos, rawBackupEntries)
	b = optString(b, 4, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBackupPolicyResponse) Decode(d *Decoder) {
	*m = QueryBackupPolicyResponse{}
	for d.next("QueryBackupPolicyResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Policys = decodeStructs[PolicyEntry](d)
		case 3:
			m.BackupInfos = decodeList(d, tList, 5, readBackupEntries)
		case 4:
			m.HintMsg = new(d.str())
		default:
			d.skip()
		}
	}
}

// rawBackupEntries appends one inner list of BackupInfos.
func rawBackupEntries(b []byte, vs []BackupEntry) []byte {
	return rawList(b, tStruct, vs, func(b []byte, e BackupEntry) []byte { return e.AppendTo(b) })
}

// readBackupEntries reads one inner list of BackupInfos.
func readBackupEntries(d *Decoder) []BackupEntry {
	return readElems(d, d.rawList(tStruct, 1), readStruct[BackupEntry])
}
