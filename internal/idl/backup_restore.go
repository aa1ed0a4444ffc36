package idl

// StartRestoreRequest creates a table from a backup. A CreateAppResponse answers it.
type StartRestoreRequest struct {
	// ClusterName is the cluster that made the backup.
	ClusterName string
	// PolicyName is "" for one-time backups.
	PolicyName string
	// TimeStamp is the backup id.
	TimeStamp          int64
	AppName            string
	AppID              int32
	NewAppName         string
	BackupProviderName string
	SkipBadPartition   bool
	// RestorePath is the backup path that was given to StartBackupAppRequest.
	RestorePath *string
}

// AppendTo implements Message.
func (m *StartRestoreRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.ClusterName)
	b = putString(b, 2, m.PolicyName)
	b = putI64(b, 3, m.TimeStamp)
	b = putString(b, 4, m.AppName)
	b = putI32(b, 5, m.AppID)
	b = putString(b, 6, m.NewAppName)
	b = putString(b, 7, m.BackupProviderName)
	b = putBool(b, 8, m.SkipBadPartition)
	b = optString(b, 9, m.RestorePath)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartRestoreRequest) Decode(d *Decoder) {
	*m = StartRestoreRequest{}
	for d.next("StartRestoreRequest") {
		switch d.id {
		case 1:
			m.ClusterName = d.str()
		case 2:
			m.PolicyName = d.str()
		case 3:
			m.TimeStamp = d.i64()
		case 4:
			m.AppName = d.str()
		case 5:
			m.AppID = d.i32()
		case 6:
			m.NewAppName = d.str()
		case 7:
			m.BackupProviderName = d.str()
		case 8:
			m.SkipBadPartition = d.bool()
		case 9:
			m.RestorePath = new(d.str())
		default:
			d.skip()
		}
	}
}

// QueryRestoreStatusRequest asks how far a restore is.
type QueryRestoreStatusRequest struct {
	RestoreAppID int32
}

// AppendTo implements Message.
func (m *QueryRestoreStatusRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.RestoreAppID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryRestoreStatusRequest) Decode(d *Decoder) {
	*m = QueryRestoreStatusRequest{}
	for d.next("QueryRestoreStatusRequest") {
		switch d.id {
		case 1:
			m.RestoreAppID = d.i32()
		default:
			d.skip()
		}
	}
}

// QueryRestoreStatusResponse answers QueryRestoreStatusRequest, one element per partition.
type QueryRestoreStatusResponse struct {
	Err           ErrorCode
	RestoreStatus []ErrorCode
	// RestoreProgress counts to 1000.
	RestoreProgress []int32
}

// AppendTo implements Message.
func (m *QueryRestoreStatusResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putList(b, 2, tList, tStruct, m.RestoreStatus, rawString[ErrorCode])
	b = putI32s(b, 3, m.RestoreProgress)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryRestoreStatusResponse) Decode(d *Decoder) {
	*m = QueryRestoreStatusResponse{}
	for d.next("QueryRestoreStatusResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.RestoreStatus = decodeList(d, tStruct, 4, (*Decoder).rawCode)
		case 3:
			m.RestoreProgress = d.i32s()
		default:
			d.skip()
		}
	}
}
