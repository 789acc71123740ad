package main

// The numbered steps of docs/receipt.md, What is checked: of one receipt, refusal or freeze.

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type folder struct {
	path    string
	policy  policy
	study   []byte
	schemas string // where the published JSON Schemas lie
}

func (f folder) file(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.path, filepath.FromSlash(name)))
}

// record is what is known of one that holds, and as much as was come to of one that does not.
type record struct {
	name, kind, site string // kind: receipt, refusal, freeze
	signer           key
	bundle           bundle
	statement        object
	certified        bundle
	stamped          time.Time
	checkpoints      [2]checkpoint
}

// fault says at which step a record fails.
type fault struct {
	step int
	err  error
}

func (f fault) Error() string { return fmt.Sprintf("step %d: %v", f.step, f.err) }

type format struct{ statement, predicate, build, schema string }

func (r record) aggregation() bool { return r.kind == "receipt" && r.site == "" }

func (r record) format() format {
	slsa := "https://slsa.dev/provenance/v1"
	switch {
	case r.kind != "receipt":
		return format{predicate: "https://rapha.dev/" + r.kind + "/v1", schema: r.kind + "-schema.json"}
	case r.aggregation():
		return format{predicate: slsa, build: "https://rapha.dev/build/aggregation/v1", schema: "aggregation-schema.json"}
	}
	return format{predicate: slsa, build: "https://rapha.dev/build/site-release/v1", schema: "site-release-schema.json"}
}

// checked takes steps 1 to 19.
func (f folder) checked(name string) (*record, error) {
	directory, file, _ := strings.Cut(name, "/")
	r := &record{name: name, kind: map[string]string{"receipts": "receipt", "refusals": "refusal", "freezes": "freeze"}[directory]}
	if r.site = strings.TrimSuffix(file, ".json"); name == "receipts/aggregation.json" {
		r.site = ""
	}
	steps := []func(*record) error{f.step1, f.step2, f.step3, f.step4, f.step5, f.step6, f.step7, f.step8, f.step9, f.step10,
		f.step11, f.step12, f.step13, f.step14, f.step15, f.step16, f.step17, f.step18, f.step19}
	for i, step := range steps {
		if err := step(r); err != nil {
			return r, fault{i + 1, err}
		}
	}
	return r, nil
}

func (f folder) step1(r *record) error {
	raw, err := f.file(r.name)
	if err == nil {
		r.bundle, err = openBundle(raw, false)
	}
	return err
}

func (f folder) step2(r *record) error {
	if f.policy.wrong != nil {
		return f.policy.wrong
	}
	for _, k := range f.policy.keys {
		if k.id == r.bundle.keyid && (k.role == "hub" || k.role == "node") {
			r.signer = k
			return nil
		}
	}
	return errors.New("the key is not known")
}

func (f folder) step3(r *record) error {
	if r.aggregation() && r.signer.role == "hub" || !r.aggregation() && r.signer.role == "node" && r.signer.owner == r.site {
		return nil
	}
	return errors.New("this key may not sign this")
}

func (f folder) step4(r *record) error {
	if !lowS(r.bundle.signature) || !r.signer.signed(r.bundle.signedBytes(), r.bundle.signature) {
		return errors.New("the signature does not fit")
	}
	return nil
}

func (f folder) step5(r *record) error {
	v, err := read(r.bundle.payload)
	if err != nil {
		return err
	}
	again, err := canonical(v)
	if err != nil {
		return err
	}
	r.statement, _ = v.(object)
	if r.statement == nil || !same(again, r.bundle.payload) {
		return errors.New("not in canonical form")
	}
	return nil
}

func (f folder) step6(r *record) error {
	want := r.format()
	if text(r.statement, "_type") != "https://in-toto.io/Statement/v1" || text(r.statement, "predicateType") != want.predicate ||
		text(r.statement, "predicate", "buildDefinition", "buildType") != want.build {
		return errors.New("of another type")
	}
	return nil
}

func (f folder) step7(r *record) error {
	nonce := text(r.statement, "predicate", "nonce")
	if r.kind == "receipt" {
		nonce = text(r.statement, "predicate", "runDetails", "metadata", "invocationId")
	}
	if len(nonce) != 32 || strings.Trim(nonce, "0123456789abcdef") != "" {
		return errors.New("the nonce is no 32 hex digits")
	}
	return nil
}

func (f folder) step8(r *record) error {
	raw, err := os.ReadFile(filepath.Join(f.schemas, r.format().schema))
	if err != nil {
		return err
	}
	root, err := read(raw)
	if err != nil {
		return err
	}
	rules := schema{root.(object)}
	if r.kind == "receipt" {
		return rules.check("statement", rules.root, r.statement)
	}
	subjects, _ := at(r.statement, "subject")
	only := object{"name": "study.json", "digest": object{"sha256": strings.TrimPrefix(text(r.statement, "predicate", "study_digest"), "sha256:")}}
	if list, _ := subjects.([]interface{}); len(r.statement) != 4 || len(list) != 1 || fmt.Sprint(list[0]) != fmt.Sprint(only) {
		return errors.New("its one subject is not the study")
	}
	if when := text(r.statement, "predicate", "at"); r.kind == "refusal" {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", when); err != nil {
			return err
		}
	}
	predicate, _ := at(r.statement, "predicate")
	return rules.check("predicate", rules.root, predicate)
}

func (r record) internal(way ...interface{}) interface{} {
	v, _ := at(r.statement, append([]interface{}{"predicate", "buildDefinition", "internalParameters"}, way...)...)
	return v
}

func (r record) external(name string) string {
	return text(r.statement, "predicate", "buildDefinition", "externalParameters", name)
}

// identity is the URI of a signer, as statement and certificate have it.
func (r record) identity() string {
	if r.aggregation() {
		return "https://rapha.dev/hub/" + url.PathEscape(r.signer.owner)
	}
	return "https://rapha.dev/node/" + r.signer.owner
}

func (f folder) step9(r *record) error {
	said := r.internal("site")
	switch {
	case r.aggregation():
		said = r.internal("hub")
	case r.kind != "receipt":
		said = text(r.statement, "predicate", "site")
	}
	if said != r.signer.owner || r.kind == "receipt" && text(r.statement, "predicate", "runDetails", "builder", "id") != r.identity() {
		return errors.New("it speaks for another")
	}
	return nil
}

func (f folder) step10(r *record) error {
	study, err := read(f.study)
	if err != nil {
		return err
	}
	digest := "sha256:" + hexOf(f.study)
	if r.kind != "receipt" {
		if text(r.statement, "predicate", "study_digest") != digest {
			return errors.New("of another study")
		}
		return nil
	}
	if r.external("study_digest") != digest || r.external("study") != text(study, "study") {
		return errors.New("of another study")
	}
	if r.aggregation() {
		return nil
	}
	if r.external("architecture") != text(study, "model", "architecture") || r.internal("cohort", "site") != r.site ||
		r.internal("cohort", "study_digest") != digest {
		return errors.New("of another architecture or cohort")
	}
	if mode := text(study, "model", "mode"); r.external("mode") != mode {
		return errors.New("of another mode")
	}
	if err := asAsked(study, r); err != nil {
		return err
	}
	if err := asPrivate(study, r); err != nil {
		return err
	}
	return asRepeatable(study, r)
}

func (f folder) step11(r *record) error {
	if r.kind != "receipt" {
		return f.vouched("study.json", strings.TrimPrefix(text(r.statement, "predicate", "study_digest"), "sha256:"))
	}
	study, _ := read(f.study)
	asked, _ := at(study, "release")
	subjects, _ := at(r.statement, "subject")
	for _, s := range subjects.([]interface{}) {
		name := text(s, "name")
		word := map[bool]string{true: "weights", false: "metrics"}[name == "model.safetensors"]
		if !contains(asked.([]interface{}), word) {
			continue
		}
		if err := f.vouched(name, text(s, "digest", "sha256")); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) vouched(name, digest string) error {
	raw, err := f.file(name)
	if err == nil && hexOf(raw) != digest {
		return errors.New(name + " has another digest")
	}
	return err
}

func (f folder) step12(r *record) error {
	if r.bundle.hint != r.signer.id || !same(r.bundle.entry.body, r.bundle.body("publicKey", r.signer.der)) {
		return errors.New("the log's entry is of something else")
	}
	return nil
}

func (f folder) step13(r *record) (err error) {
	r.checkpoints[0], err = r.bundle.entry.proven()
	return err
}

func (f folder) step14(r *record) error {
	_, err := r.checkpoints[0].byLog(f.policy, r.bundle.entry.logID)
	return err
}

func (f folder) step15(r *record) error { return r.checkpoints[0].byWitnesses(f.policy) }

func (r record) certifiedName() string {
	name := strings.TrimSuffix(filepath.Base(r.name), ".json")
	if r.kind != "receipt" {
		name += "." + r.kind
	}
	return "sigstore/" + name + ".sigstore.json"
}

func (f folder) step16(r *record) error {
	raw, err := f.file(r.certifiedName())
	if err == nil {
		r.certified, err = openBundle(raw, true)
	}
	if err == nil && !same(r.certified.envelope, r.bundle.envelope) {
		err = errors.New("it holds another envelope")
	}
	return err
}

func (f folder) step17(r *record) (err error) {
	e := r.certified.entry
	if !same(e.body, r.certified.body("x509Certificate", r.certified.certificate)) {
		return errors.New("the log's entry is of something else")
	}
	if r.checkpoints[1], err = e.proven(); err != nil {
		return err
	}
	if _, err = r.checkpoints[1].byLog(f.policy, e.logID); err != nil {
		return err
	}
	return r.checkpoints[1].byWitnesses(f.policy)
}

// authority is the one at whose place the stamper of this stamp is; all three of its keys are ones that the reader knows.
func (f folder) authority(s stamp) (a authority, stamper, root, log key, err error) {
	raw, err := f.file("sigstore/trust-config.json")
	if err != nil {
		return
	}
	list, err := trusted(raw)
	if err != nil {
		return
	}
	for _, a = range list {
		if !same(shaOf(a.stamper.Raw), s.signerSHA256) {
			continue
		}
		known := [][]key{f.policy.find("time-stamper", ofDER(a.stamper.RawSubjectPublicKeyInfo)),
			f.policy.find("authority", ofDER(a.root.RawSubjectPublicKeyInfo)), f.policy.find("certificate-log", ofDER(a.log))}
		if len(known[0]) == 0 || len(known[1]) == 0 || len(known[2]) == 0 {
			err = errors.New("a stamper, an authority or a certificate log that is not known")
			return
		}
		return a, known[0][0], known[1][0], known[2][0], nil
	}
	err = errors.New("by a stamper that the trust config does not have")
	return
}

func ofDER(der []byte) func(key) bool { return func(k key) bool { return same(k.der, der) } }

func (f folder) step18(r *record) error {
	s, err := openStamp(r.certified.stamp, r.bundle.signature)
	if err != nil {
		return err
	}
	a, stamper, root, log, err := f.authority(s)
	if err != nil {
		return err
	}
	if !stamper.signed(s.attributes, s.signature) || !goodAt(a.stamper, s.at) ||
		a.root.CheckSignature(a.stamper.SignatureAlgorithm, a.stamper.RawTBSCertificate, a.stamper.Signature) != nil {
		return errors.New("the stamper did not sign, or its certificate was not good then or is not the authority's")
	}
	r.stamped = s.at
	places := []int64{r.bundle.entry.index, r.certified.entry.index}
	for _, k := range []key{r.signer, stamper, root, log} {
		if err := k.believed(s.at, places...); err != nil {
			return err
		}
	}
	for i, logID := range [][]byte{r.bundle.entry.logID, r.certified.entry.logID} {
		signers, err := r.checkpoints[i].byLog(f.policy, logID)
		if err != nil {
			return err
		}
		if err := signers[0].notEnded(s.at, places[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) step19(r *record) error {
	s, err := openStamp(r.certified.stamp, r.bundle.signature)
	if err != nil {
		return err
	}
	a, _, root, _, err := f.authority(s)
	if err != nil {
		return err
	}
	hub := "https://rapha.dev/hub/" + url.PathEscape(root.owner)
	return certified(r.certified.certificate, r.signer, r.identity(), hub, a, s.at)
}
