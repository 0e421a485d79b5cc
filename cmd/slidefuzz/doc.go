// Command slidefuzz finds, shrinks and replays faults of sliding-window KV
// caches. `slidefuzz help` lists its commands.
//
// # Exit status
//
//	0  nothing unexpected
//	1  a divergence in a target that should be sound, a known-bad target not
//	   caught, a target that could not be judged (it was too slow or hung), or
//	   a case with another outcome than it expects
//	2  wrong usage or a bad file
//	3  the machine or this build lacks what was asked for
//	130, 143  SIGINT or SIGTERM ended the work; what was found before is
//	   printed and written. 129 is that of SIGHUP
//
// Where several hold, the last of these, else the first of 1, 2, 3 is given.
//
// # Lines of hunt --json
//
// Each line of standard output is one object with the field "event". Fields
// marked ? are left out where they say nothing; times are in seconds.
//
//	{"event":"start", "version", "seed", "targets", "cases"?, "time"?,
//	 "shard"?}
//	    cases is the bound for each target, time that of the whole hunt,
//	    shard is hunt --shard's, as 2/4
//	{"event":"finding", "target", "scenario"?, "at", "seen", "divergence",
//	 "op", "tensor", "fault", "hazard", "case", "minimal", "unfinished"?,
//	 "runs", "after", "shrinking", "report"?}
//	    at is the number of the case that found it, seen how many cases
//	    showed the same failure, case the text of the smallest case, minimal
//	    that no smaller case of the shrinker's scope fails, unfinished, of a
//	    worker or an engine, that it was not shrunk to its end, so that a
//	    smaller case may fail too, runs what
//	    shrinking took, after how long the hunt had run without shrinking
//	    when the case was judged (cases are in their order, so that one of
//	    several workers may have run it long before), shrinking how long this
//	    finding's took, report the folder written
//	{"event":"target", "target", "scenario"?, "sound", "result", "cases",
//	 "findings", "elapsed", "unexpected"?, "error"?, "met"?,
//	 "operations"?, "variants"?, "steps"?, "undecided"?, "worst"?,
//	 "requests"?, "running"?, "waited"?, "not_run"?, "ended"?,
//	 "lost_jobs"?}
//	    met counts the cases of a worker with each feature; result is ok,
//	    caught, not caught, diverged, nothing seen (a race that the device was
//	    free not to show), interrupted (of merge also: a shard is missing), not
//	    run or error; not_run is how many of the cases were not run, where
//	    there is a number of them; ended says why, where the target is to
//	    blame. operations, where a cache may
//	    refuse some (a worker, go/NAME), has {"accepted", "refused"} for each
//	    operation by its name, as in {"append":{"accepted":120,"refused":7}}:
//	    those of the hunt's cases, without what the shrinker asked. variants,
//	    of a worker that runs programs, has {"cases", "wrong",
//	    "wrong_among_others", "skipped", "elapsed"} for each of its variants
//	    by name, "" where it has none: wrong_among_others are programs that
//	    were wrong in a request with others and right alone, no findings.
//	    Of an engine: steps are forwards whose logits were judged, undecided
//	    those that could not be told, worst how far from whole numbers the
//	    counts of the others were at most; requests are the messages to the
//	    engine (HTTP requests to a server), running the time of all cases,
//	    waited what the engine had of it, loading included: the rest is
//	    slidefuzz's. Shrinking is in none of them. lost_jobs says, a text for
//	    each, which of several processes (--jobs) did not start, at first or
//	    again, and why: the others ran their cases
//	{"event":"end", "targets", "cases", "findings", "unexpected", "not_run",
//	 "cases_not_run"?, "lost_jobs"?, "start_retries"?,
//	 "start_retries_elapsed"?, "errors", "error"?, "interrupted",
//	 "elapsed", "exit", "processor"?, "engine_processor"?}
//	    targets, unexpected, not_run and errors count targets: not_run those
//	    of which no case was run, for the time was up or a signal came.
//	    cases_not_run is the sum of the targets' own not_run, lost_jobs how
//	    many those of the targets are. start_retries is how many starts of a
//	    worker failed and were tried again, start_retries_elapsed how many
//	    seconds those took, the pauses and all of --jobs added up. error says why there was nothing to
//	    hunt in, as of a worker that never started, or whose start a signal
//	    ended: no target comes before it then, and errors is 1. exit is the
//	    exit status; processor is the processor time of slidefuzz in seconds and
//	    engine_processor that of an engine in another process, both with
//	    shrinking, where the system tells
//
// More events and fields may be added; those here stay.
package main
