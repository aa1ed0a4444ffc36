package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// stepJSON is the form of a Step in JSON: actions carry their kind beside their fields.
type stepJSON struct {
	ID       string      `json:"id"`
	Action   actionJSON  `json:"action"`
	Why      string      `json:"why"`
	Impact   string      `json:"impact,omitempty"`
	Undo     *actionJSON `json:"undo,omitempty"`
	Final    bool        `json:"final,omitempty"`
	Estimate Estimate    `json:"estimate"`
	Gate     string      `json:"gate,omitempty"`
}

type actionJSON struct {
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args"`
}

// MarshalJSON implements json.Marshaler.
func (s Step) MarshalJSON() ([]byte, error) {
	action, err := encodeAction(s.Action)
	if err != nil {
		return nil, err
	}
	out := stepJSON{
		ID: s.ID, Action: action, Why: s.Why, Impact: s.Impact,
		Final: s.Final, Estimate: s.Estimate, Gate: s.Gate,
	}
	if s.Undo != nil {
		undo, err := encodeAction(s.Undo)
		if err != nil {
			return nil, err
		}
		out.Undo = &undo
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler. An action of an unknown kind is an error: a step that
// cannot be understood must not be skipped.
func (s *Step) UnmarshalJSON(data []byte) error {
	var in stepJSON
	if err := strictJSON(data, &in); err != nil {
		return err
	}
	action, err := decodeAction(in.Action)
	if err != nil {
		return fmt.Errorf("step %q: %w", in.ID, err)
	}
	*s = Step{
		ID: in.ID, Action: action, Why: in.Why, Impact: in.Impact,
		Final: in.Final, Estimate: in.Estimate, Gate: in.Gate,
	}
	if in.Undo != nil {
		if s.Undo, err = decodeAction(*in.Undo); err != nil {
			return fmt.Errorf("undo of step %q: %w", in.ID, err)
		}
	}
	return nil
}

func encodeAction(a Action) (actionJSON, error) {
	if a == nil {
		return actionJSON{}, fmt.Errorf("a step has no action")
	}
	args, err := json.Marshal(a)
	if err != nil {
		return actionJSON{}, err
	}
	return actionJSON{Kind: a.Kind(), Args: args}, nil
}

// decoders reads the arguments of every kind of action.
func decoders() map[string]func([]byte) (Action, error) {
	return map[string]func([]byte) (Action, error){
		Own{}.Kind():               decodeAs[Own],
		Disown{}.Kind():            decodeAs[Disown],
		CreateTable{}.Kind():       decodeAs[CreateTable],
		DropTable{}.Kind():         decodeAs[DropTable],
		AwaitHealthy{}.Kind():      decodeAs[AwaitHealthy],
		SetEnvs{}.Kind():           decodeAs[SetEnvs],
		RestoreEnvs{}.Kind():       decodeAs[RestoreEnvs],
		ParkTTL{}.Kind():           decodeAs[ParkTTL],
		Approve{}.Kind():           decodeAs[Approve],
		Fence{}.Kind():             decodeAs[Fence],
		LiftFence{}.Kind():         decodeAs[LiftFence],
		Quiesce{}.Kind():           decodeAs[Quiesce],
		Copy{}.Kind():              decodeAs[Copy],
		CatchUp{}.Kind():           decodeAs[CatchUp],
		CreateIndex{}.Kind():       decodeAs[CreateIndex],
		BuildIndex{}.Kind():        decodeAs[BuildIndex],
		Verify{}.Kind():            decodeAs[Verify],
		ParkEnvs{}.Kind():          decodeAs[ParkEnvs],
		UnparkEnvs{}.Kind():        decodeAs[UnparkEnvs],
		AddDuplication{}.Kind():    decodeAs[AddDuplication],
		RemoveDuplication{}.Kind(): decodeAs[RemoveDuplication],
		FollowDuplication{}.Kind(): decodeAs[FollowDuplication],
		AwaitLag{}.Kind():          decodeAs[AwaitLag],
		CompareLive{}.Kind():       decodeAs[CompareLive],
		HoldBalancer{}.Kind():      decodeAs[HoldBalancer],
		ReleaseBalancer{}.Kind():   decodeAs[ReleaseBalancer],
		Drain{}.Kind():             decodeAs[Drain],
		RecheckKeys{}.Kind():       decodeAs[RecheckKeys],
		SwitchRoute{}.Kind():       decodeAs[SwitchRoute],
		Evict{}.Kind():             decodeAs[Evict],
		ProveTraffic{}.Kind():      decodeAs[ProveTraffic],
		DeleteEnvs{}.Kind():        decodeAs[DeleteEnvs],
		AddReturn{}.Kind():         decodeAs[AddReturn],
		RemoveReturn{}.Kind():      decodeAs[RemoveReturn],
		AwaitReturn{}.Kind():       decodeAs[AwaitReturn],
		HoldTicket{}.Kind():        decodeAs[HoldTicket],
		Deny{}.Kind():              decodeAs[Deny],
		LimitRate{}.Kind():         decodeAs[LimitRate],
		RestoreRate{}.Kind():       decodeAs[RestoreRate],
		Backup{}.Kind():            decodeAs[Backup],
		RemoveBackup{}.Kind():      decodeAs[RemoveBackup],
		VerifyBackup{}.Kind():      decodeAs[VerifyBackup],
		Restore{}.Kind():           decodeAs[Restore],
		VerifyBackupRows{}.Kind():  decodeAs[VerifyBackupRows],
		Split{}.Kind():             decodeAs[Split],
		RemoveStaging{}.Kind():     decodeAs[RemoveStaging],
		SetUsage{}.Kind():          decodeAs[SetUsage],
		RestoreUsage{}.Kind():      decodeAs[RestoreUsage],
		BulkLoad{}.Kind():          decodeAs[BulkLoad],
		CancelBulkLoad{}.Kind():    decodeAs[CancelBulkLoad],
		RestoreLevel{}.Kind():      decodeAs[RestoreLevel],
		ManualCompact{}.Kind():     decodeAs[ManualCompact],
		AwaitCompaction{}.Kind():   decodeAs[AwaitCompaction],
		ProveDualWrite{}.Kind():    decodeAs[ProveDualWrite],
		RepairResurrected{}.Kind(): decodeAs[RepairResurrected],
	}
}

func decodeAction(in actionJSON) (Action, error) {
	decode, ok := decoders()[in.Kind]
	if !ok {
		return nil, fmt.Errorf("unknown action %q", in.Kind)
	}
	return decode(in.Args)
}

func decodeAs[A Action](data []byte) (Action, error) {
	var a A
	if err := strictJSON(data, &a); err != nil {
		return nil, fmt.Errorf("action %q: %w", a.Kind(), err)
	}
	return a, nil
}

// strictJSON refuses fields it does not know: in a plan an ignored field is an ignored promise.
func strictJSON(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// seal computes the plan's ID over everything else in it.
func (p *Plan) seal() error {
	id, err := p.hash()
	if err != nil {
		return err
	}
	p.ID = id
	return nil
}

func (p *Plan) hash() (string, error) {
	bare := *p
	bare.ID = ""
	bare.Progress = nil // how far a run is does not change what was reviewed
	data, err := json.Marshal(bare)
	if err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// SavedError says why a saved plan cannot be used.
type SavedError struct {
	Code string // one of CodePlanVersion, CodePlanEdited, CodePlanUnreadable
	Text string
	Hint string
}

// Error implements error.
func (e *SavedError) Error() string { return e.Text }

// Encode gives the saved form of a plan: indented JSON, made to be read in a review.
func Encode(p *Plan) ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	return append(data, '\n'), nil
}

// Decode reads a saved plan. It refuses one that another version of the tool wrote, or whose
// content is not what its ID says. The errors are *SavedError.
func Decode(data []byte, toolVersion string) (*Plan, error) {
	var head struct {
		FormatVersion *int   `json:"format_version"`
		ToolVersion   string `json:"tool_version"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.FormatVersion == nil {
		return nil, &SavedError{CodePlanUnreadable, "this is not a saved plan",
			"give a file that `pegmigrate plan -out FILE` wrote, or a folder with *.hcl files"}
	}
	if *head.FormatVersion != FormatVersion || head.ToolVersion != toolVersion {
		return nil, &SavedError{CodePlanVersion,
			fmt.Sprintf("the plan was saved by pegmigrate %s (plan format %d), this is %s (plan format %d)",
				head.ToolVersion, *head.FormatVersion, toolVersion, FormatVersion),
			"plan again with this version"}
	}
	p := &Plan{}
	if err := strictJSON(data, p); err != nil {
		return nil, &SavedError{CodePlanUnreadable, fmt.Sprintf("the saved plan cannot be read: %v", err), "plan again"}
	}
	want, err := p.hash()
	if err != nil {
		return nil, err
	}
	if want != p.ID {
		return nil, &SavedError{CodePlanEdited, "the saved plan was changed after it was made: its content does not match its id",
			"plan again; a plan is reviewed, not edited"}
	}
	return p, nil
}
