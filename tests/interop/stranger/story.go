package main

// What records say of one another: a receipt's freeze, and the hub's story against the hospitals' (docs/receipt.md, What is checked).

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type round struct {
	number int
	what   string // update, weights-in, weights, update/<site>
}

var roundName = regexp.MustCompile(`^round/(0|[1-9][0-9]*)/(.+)$`)

// rounds gives the digests of a statement's dependencies or byproducts that are of rounds.
func (r record) rounds(way ...interface{}) map[round]string {
	found := map[round]string{}
	v, _ := at(r.statement, append([]interface{}{"predicate"}, way...)...)
	list, _ := v.([]interface{})
	for _, each := range list {
		if m := roundName.FindStringSubmatch(text(each, "name")); m != nil {
			n, _ := strconv.Atoi(m[1])
			found[round{n, m[2]}] = text(each, "digest", "sha256")
		}
	}
	return found
}

func (r record) taken() map[round]string { return r.rounds("buildDefinition", "resolvedDependencies") }
func (r record) given() map[round]string { return r.rounds("runDetails", "byproducts") }

func (r record) subject(name string) string {
	list, _ := at(r.statement, "subject")
	for _, each := range list.([]interface{}) {
		if text(each, "name") == name {
			return text(each, "digest", "sha256")
		}
	}
	return ""
}

// asAsked is step 10's word on the hospital, the rounds and the cohort.
func asAsked(study interface{}, r *record) error {
	if !named(study, r.site) {
		return errors.New("the study asks other hospitals")
	}
	for each := range r.given() {
		if int64(each.number) > whole64(study, "training", "rounds") {
			return errors.New("more rounds than were asked for")
		}
	}
	fewest := whole64(study, "privacy", "min_cohort")
	for _, name := range []string{"patients", "train_rows"} {
		about, below := r.internal("cohort", name, "about"), r.internal("cohort", name, "below")
		if about != nil && integer(about) < fewest || about == nil && integer(below) <= fewest {
			return errors.New("fewer " + name + " than were asked for")
		}
	}
	return nil
}

// named says whether the study asks this hospital.
func named(study interface{}, site string) bool {
	only, _ := at(study, "sites", "only")
	list, _ := only.([]interface{})
	return len(list) == 0 || contains(list, site)
}

func whole64(v interface{}, way ...interface{}) int64 {
	n, _ := at(v, way...)
	return integer(n)
}

// asPrivate is step 10's word on differential privacy.
func asPrivate(study interface{}, r *record) error {
	asked, private := at(study, "privacy", "differential_privacy")
	said := r.internal("privacy")
	mechanism := map[bool]string{false: "none", true: "dp-sgd"}[private && asked != nil]
	if mechanism != "none" && text(study, "model", "mode") == "B" {
		mechanism = "sample-and-aggregate"
	}
	if text(said, "mechanism") != mechanism {
		return errors.New("another mechanism of privacy than the study's")
	}
	if mechanism == "none" {
		for name, stated := range said.(object) {
			if stated != nil && name != "mechanism" && name != "ledger" {
				return errors.New("no privacy, and " + name + " of it")
			}
		}
		return nil
	}
	steps := whole64(study, "training", "rounds")
	if mechanism == "dp-sgd" {
		steps *= whole64(study, "training", "local_epochs") * int64(math.Ceil(1/number(text(asked, "sampling_rate"))))
	}
	if whole64(said, "steps") != steps || text(said, "unit") == "" {
		return errors.New("over other steps than the study's, or of nobody")
	}
	for _, name := range []string{"delta", "clip", "sampling_rate"} {
		if name == "sampling_rate" && mechanism != "dp-sgd" {
			if v, _ := at(said, name); v != nil {
				return errors.New("a sampling rate in mode B")
			}
		} else if text(said, name) != text(asked, name) {
			return errors.New("another " + name + " than the study's")
		}
	}
	if number(text(said, "epsilon")) > number(text(asked, "epsilon")) || number(text(said, "noise_multiplier")) <= 0 {
		return errors.New("more epsilon than was asked for, or no noise")
	}
	return nil
}

func number(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n
}

// asRepeatable is step 10's word on the transcript.
func asRepeatable(study interface{}, r *record) error {
	transcript := r.internal("transcript")
	if transcript == nil {
		return nil
	}
	private, _ := at(study, "privacy", "differential_privacy")
	architecture, updates := text(study, "model", "architecture"), text(study, "training", "updates")
	if private != nil || architecture == "gwas" || architecture == "script" || aggregation(study) == "scaffold" ||
		updates != "" && updates != "float32" {
		return errors.New("a transcript of a study that nobody can do again")
	}
	waypoints, _ := at(transcript, "waypoints")
	every, _ := at(transcript, "every_steps")
	trained := 0
	for each := range r.given() {
		if each.what == "update" && each.number > 0 {
			trained++
		}
	}
	if integer(every) != 64 || integer(waypoints) < int64(trained) {
		return errors.New("waypoints at another distance, or too few")
	}
	return nil
}

func aggregation(study interface{}) string {
	if name := text(study, "training", "aggregation"); name != "" {
		return name
	}
	return text(study, "training", "aggregation", "kind")
}

// frozen is step 20 of a hospital's receipt that names a freeze, or has to.
func (f folder) frozen(r *record) error {
	if r.internal("freeze") == nil {
		return errors.New("no freeze is named")
	}
	z, err := f.checked("freezes/" + r.site + ".json")
	if err != nil {
		return err
	}
	predicate := func(name string) string { return text(z.statement, "predicate", name) }
	if "sha256:"+hexOf(z.bundle.payload) != r.internal("freeze") {
		return errors.New("another freeze than the one it names")
	}
	if predicate("approval") != r.internal("approval") || predicate("study_digest") != r.external("study_digest") || predicate("site") != r.site ||
		predicate("patients_root") != r.internal("cohort", "patients_root") || predicate("commitment") != r.internal("cohort", "commitment") {
		return errors.New("a freeze of something else")
	}
	if _, first := r.given()[round{0, "update"}]; !first {
		return errors.New("the run's first round is missing")
	}
	last, earliest := int64(-1), int64(-1)
	for _, other := range []*record{z, r} {
		for i, e := range []entry{other.bundle.entry, other.certified.entry} {
			c := other.checkpoints[i]
			if c.origin != r.checkpoints[0].origin || c.size != r.checkpoints[0].size || !same(c.root, r.checkpoints[0].root) {
				return errors.New("in another log, or another tree")
			}
			if other == z && e.index > last {
				last = e.index
			}
			if other == r && (earliest < 0 || e.index < earliest) {
				earliest = e.index
			}
		}
	}
	finished, err := time.Parse("2006-01-02T15:04:05.000Z", text(r.statement, "predicate", "runDetails", "metadata", "finishedOn"))
	if err != nil || last >= earliest || z.stamped.After(r.stamped) || z.stamped.After(finished.Add(20*time.Minute)) {
		return errors.New("not before the receipt")
	}
	return nil
}

// told takes steps 20 to 24 of the aggregation, against the receipts and refusals that stand.
func (f folder) told(hub *record, sites, refused []*record) error {
	study, _ := read(f.study)
	for i, step := range []func() error{
		func() error { return lastRound(hub, study) }, func() error { return approved(hub, study, sites, refused) },
		func() error { return eachUpdate(hub, sites) }, func() error { return eachStart(hub, sites) },
		func() error { return eachFreeze(hub, sites, f.policy.frozen) }} {
		if err := step(); err != nil {
			return fault{20 + i, err}
		}
	}
	return nil
}

func lastRound(hub *record, study interface{}) error {
	given := hub.given()
	for n := 0; n < len(given); n++ {
		if _, there := given[round{n, "weights"}]; !there {
			return errors.New("a gap between rounds")
		}
	}
	for each := range hub.taken() {
		if each.number >= len(given) {
			return errors.New("a round that gave nothing")
		}
	}
	for n := range given {
		any := false
		for each := range hub.taken() {
			any = any || each.number == n.number
		}
		if !any {
			return errors.New("a round that took nothing")
		}
	}
	trained, most := int64(len(given)-1), whole64(study, "training", "rounds")
	least := most
	if stopping, _ := at(study, "training", "early_stopping"); stopping != nil {
		if n := whole64(stopping, "patience") + 1; n < most {
			least = n
		}
	}
	if trained < least || trained > most {
		return errors.New("other rounds than were asked for")
	}
	released := trained
	keep, best := at(study, "training", "keep")
	best = best && keep != nil
	if named := hub.internal("released_round"); (named != nil) != best {
		return errors.New("the released round is named, or is not, as the study does not ask")
	} else if best {
		released = integer(named)
	}
	if len(given) == 0 || given[round{int(released), "weights"}] != hub.subject("model.safetensors") {
		return errors.New("other weights than that round's")
	}
	asked := text(study, "training", "updates")
	if said, _ := hub.internal("updates").(string); said != asked {
		return errors.New("updates in another form")
	}
	if hub.internal("method") != aggregation(study) {
		return errors.New("another way to average than the study's")
	}
	return nil
}

// ofRecords are the reasons that tell of the records themselves: they are signed as one.
var ofRecords = "unknown-concept no-hierarchy unknown-unit mixed-units cohort-empty cohort-too-small too-few-events"

func approved(hub *record, study interface{}, sites, refused []*record) error {
	approvals, _ := hub.internal("approvals").(object)
	for site := range approvals {
		if !named(study, site) {
			return errors.New(site + " approved, and was not asked")
		}
	}
	went := map[int]int64{}
	for each := range hub.taken() {
		went[each.number]++
	}
	for n := range went {
		if went[n] < whole64(study, "sites", "at_least") {
			return fmt.Errorf("too few hospitals in round %d", n)
		}
	}
	for each := range hub.taken() {
		if _, there := approvals[strings.TrimPrefix(each.what, "update/")]; !there {
			return fmt.Errorf("%s had not approved", each.what)
		}
	}
	for _, r := range sites {
		if approvals[r.site] != r.internal("approval") {
			return errors.New("under another approval than " + r.site + " names")
		}
	}
	denials, _ := hub.internal("denials").(object)
	for _, r := range refused {
		told, there := denials[r.site].(string)
		if !there {
			return errors.New("the refusal of " + r.site + " is passed over")
		}
		if contains(fields(ofRecords), told) {
			told = "cohort-not-answerable"
		}
		if told != text(r.statement, "predicate", "reason") {
			return errors.New("another reason than " + r.site + " signed")
		}
	}
	if len(sites) == 0 {
		return errors.New("no hospital's receipt stands")
	}
	return nil
}

func fields(words string) (list []interface{}) {
	for _, each := range strings.Fields(words) {
		list = append(list, each)
	}
	return list
}

// weight is what an update weighed in its round.
func (r record) weight(name string) int64 {
	list, _ := at(r.statement, "predicate", "buildDefinition", "resolvedDependencies")
	for _, each := range list.([]interface{}) {
		if text(each, "name") == name {
			return whole64(each, "annotations", "weight")
		}
	}
	return 0
}

func eachUpdate(hub *record, sites []*record) error {
	for _, r := range sites {
		given := r.given()
		rows := r.internal("cohort", "train_rows", "about")
		if rows == nil {
			rows = r.internal("cohort", "train_rows", "below")
		}
		for each, digest := range hub.taken() {
			if each.what == "update/"+r.site && given[round{each.number, "update"}] != digest {
				return fmt.Errorf("another update of %s in round %d than it signed", r.site, each.number)
			}
			if name := fmt.Sprintf("round/%d/%s", each.number, each.what); each.what == "update/"+r.site && hub.weight(name) != integer(rows) {
				return fmt.Errorf("another weight of %s in round %d than the rows it signed", r.site, each.number)
			}
		}
	}
	return nil
}

func eachStart(hub *record, sites []*record) error {
	gave := hub.given()
	for _, r := range sites {
		if r.subject("model.safetensors") != hub.subject("model.safetensors") {
			return errors.New(r.site + " signed other weights")
		}
		began := r.taken()
		for each, digest := range began {
			if gave[round{each.number - 1, "weights"}] != digest {
				return fmt.Errorf("%s started round %d from something else", r.site, each.number)
			}
		}
		for each := range r.given() {
			if _, known := gave[round{each.number, "weights"}]; !known {
				return fmt.Errorf("%s signed a round %d that the hub does not have", r.site, each.number)
			}
			if _, there := began[round{each.number, "weights-in"}]; each.number > 0 && !there {
				return fmt.Errorf("%s does not say where it started round %d from", r.site, each.number)
			}
		}
	}
	return nil
}

func eachFreeze(hub *record, sites []*record, demanded bool) error {
	freezes, _ := hub.internal("freezes").(object)
	for each := range hub.taken() {
		if _, there := freezes[strings.TrimPrefix(each.what, "update/")]; demanded && !there {
			return fmt.Errorf("no freeze of %s", each.what)
		}
	}
	for _, r := range sites {
		if freezes[r.site] != r.internal("freeze") {
			return errors.New("the hub had another freeze of " + r.site + ", or none")
		}
	}
	return nil
}
