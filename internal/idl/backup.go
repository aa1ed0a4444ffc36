package idl

// StartBackupAppRequest starts a one-time backup of a table.
type StartBackupAppRequest struct {
	// BackupProviderType names a block_service section of the servers.
	BackupProviderType string
	AppID              int32
	// BackupPath is put in front of the cluster's cold_backup_root.
	BackupPath *string
}

// AppendTo implements Message.
func (m *StartBackupAppRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.BackupProviderType)
	b = putI32(b, 2, m.AppID)
	b = optString(b, 3, m.BackupPath)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartBackupAppRequest) Decode(d *Decoder) {
	*m = StartBackupAppRequest{}
	for d.next("StartBackupAppRequest") {
		switch d.id {
		case 1:
			m.BackupProviderType = d.str()
		case 2:
			m.AppID = d.i32()
		case 3:
			m.BackupPath = new(d.str())
		default:
			d.skip()
		}
	}
}

// StartBackupAppResponse answers StartBackupAppRequest.
type StartBackupAppResponse struct {
	Err         ErrorCode
	HintMessage string
	// BackupID is also the start of the backup in milliseconds since 1970.
	BackupID *int64
}

// AppendTo implements Message.
func (m *StartBackupAppResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	b = optI64(b, 3, m.BackupID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartBackupAppResponse) Decode(d *Decoder) {
	*m = StartBackupAppResponse{}
	for d.next("StartBackupAppResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		case 3:
			m.BackupID = new(d.i64())
		default:
			d.skip()
		}
	}
}

// QueryBackupStatusRequest asks for the backups of a table.
type QueryBackupStatusRequest struct {
	AppID int32
	// BackupID selects one backup, unset all of the table.
	BackupID *int64
}

// AppendTo implements Message.
func (m *QueryBackupStatusRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.AppID)
	b = optI64(b, 2, m.BackupID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBackupStatusRequest) Decode(d *Decoder) {
	*m = QueryBackupStatusRequest{}
	for d.next("QueryBackupStatusRequest") {
		switch d.id {
		case 1:
			m.AppID = d.i32()
		case 2:
			m.BackupID = new(d.i64())
		default:
			d.skip()
		}
	}
}

// BackupItem describes one backup.
type BackupItem struct {
	BackupID           int64
	AppName            string
	BackupProviderType string
	BackupPath         string
	// StartTimeMs and EndTimeMs are milliseconds since 1970; EndTimeMs is 0 while it runs.
	StartTimeMs    int64
	EndTimeMs      int64
	IsBackupFailed bool
}

// AppendTo implements Message.
func (m *BackupItem) AppendTo(b []byte) []byte {
	b = putI64(b, 1, m.BackupID)
	b = putString(b, 2, m.AppName)
	b = putString(b, 3, m.BackupProviderType)
	b = putString(b, 4, m.BackupPath)
	b = putI64(b, 5, m.StartTimeMs)
	b = putI64(b, 6, m.EndTimeMs)
	b = putBool(b, 7, m.IsBackupFailed)
	return append(b, tStop)
}

// Decode implements Message.
func (m *BackupItem) Decode(d *Decoder) {
	*m = BackupItem{}
	for d.next("BackupItem") {
		switch d.id {
		case 1:
			m.BackupID = d.i64()
		case 2:
			m.AppName = d.str()
		case 3:
			m.BackupProviderType = d.str()
		case 4:
			m.BackupPath = d.str()
		case 5:
			m.StartTimeMs = d.i64()
		case 6:
			m.EndTimeMs = d.i64()
		case 7:
			m.IsBackupFailed = d.bool()
		default:
			d.skip()
		}
	}
}

// QueryBackupStatusResponse answers QueryBackupStatusRequest.
type QueryBackupStatusResponse struct {
	Err         ErrorCode
	HintMessage string
	BackupItems []BackupItem
}

// AppendTo implements Message.
func (m *QueryBackupStatusResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	if m.BackupItems != nil {
		b = putStructs(b, 3, m.BackupItems)
	}
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBackupStatusResponse) Decode(d *Decoder) {
	*m = QueryBackupStatusResponse{}
	for d.next("QueryBackupStatusResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		case 3:
			m.BackupItems = decodeStructs[BackupItem](d)
		default:
			d.skip()
		}
	}
}
