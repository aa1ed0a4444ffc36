package event

// Name implements Event.
func (RunStarted) Name() string { return "run_started" }

// Name implements Event.
func (StepStarted) Name() string { return "step_started" }

// Name implements Event.
func (StepSkipped) Name() string { return "step_skipped" }

// Name implements Event.
func (StepDone) Name() string { return "step_done" }

// Name implements Event.
func (StepFailed) Name() string { return "step_failed" }

// Name implements Event.
func (Waiting) Name() string { return "waiting" }

// Name implements Event.
func (Warning) Name() string { return "warning" }

// Name implements Event.
func (MoveProgress) Name() string { return "progress" }

// Name implements Event.
func (Verified) Name() string { return "verified" }

// Name implements Event.
func (FenceProven) Name() string { return "fence_proven" }

// Name implements Event.
func (GateReached) Name() string { return "gate_reached" }

// Name implements Event.
func (UndoStarted) Name() string { return "undo_started" }

// Name implements Event.
func (UndoDone) Name() string { return "undo_done" }

// Name implements Event.
func (UndoFailed) Name() string { return "undo_failed" }

// Name implements Event.
func (Interrupted) Name() string { return "interrupted" }

// Name implements Event.
func (RunDone) Name() string { return "run_done" }

// Name implements Event.
func (LagProgress) Name() string { return "lag" }

// Name implements Event.
func (RouteSwitched) Name() string { return "route_switched" }

// Name implements Event.
func (CaughtUp) Name() string { return "caught_up" }

// Name implements Event.
func (CutOver) Name() string { return "cut_over" }

// Name implements Event.
func (ImpactBegun) Name() string { return "impact_begun" }

func (RunStarted) sealed()    {}
func (StepStarted) sealed()   {}
func (StepSkipped) sealed()   {}
func (StepDone) sealed()      {}
func (StepFailed) sealed()    {}
func (Waiting) sealed()       {}
func (Warning) sealed()       {}
func (MoveProgress) sealed()  {}
func (Verified) sealed()      {}
func (FenceProven) sealed()   {}
func (GateReached) sealed()   {}
func (UndoStarted) sealed()   {}
func (UndoDone) sealed()      {}
func (UndoFailed) sealed()    {}
func (Interrupted) sealed()   {}
func (RunDone) sealed()       {}
func (LagProgress) sealed()   {}
func (RouteSwitched) sealed() {}
func (ImpactBegun) sealed()   {}
func (CutOver) sealed()       {}
func (CaughtUp) sealed()      {}
