// A verifier of Rapha's receipts by somebody who has only the documentation: docs/receipt.md and the schemas beside it.
// It imports nothing but Go's standard library. It was written before Rapha's own verifier was looked at.
//
//	go run . SCHEMAS KEYS FOLDER...
//
// SCHEMAS is Rapha's docs/, KEYS a pinned keys file (or - for the one in each folder). A folder has one line if it holds, and else one for each
// record that does not, with the step. Not here: ML-DSA, tiers T1 and T2, and what a study has to be besides what step 10 compares.
package main

import (
	"crypto/ecdsa"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func curve(public interface{}) *ecdsa.PublicKey {
	k, _ := public.(*ecdsa.PublicKey)
	return k
}

type failure struct {
	name string
	err  error
}

// verdicts judges all of a folder: failures in the order of receipts, aggregation, refusals.
func (f folder) verdicts() []failure {
	failures, sites, refused := []failure{}, []*record{}, []*record{}
	for _, name := range f.names("receipts") {
		r, err := f.checked(name)
		if err == nil && (r.internal("freeze") != nil || f.policy.frozen) {
			if wrong := f.frozen(r); wrong != nil {
				err = fault{20, wrong}
			}
		}
		if err != nil {
			failures = append(failures, failure{name, err})
		} else {
			sites = append(sites, r)
		}
	}
	for _, name := range f.names("refusals") {
		if r, err := f.checked(name); err != nil {
			failures = append(failures, failure{name, err})
		} else {
			refused = append(refused, r)
		}
	}
	hub, err := f.checked("receipts/aggregation.json")
	if err == nil {
		err = f.told(hub, sites, refused)
	}
	if err != nil {
		failures = append(failures, failure{"receipts/aggregation.json", err})
	}
	return failures
}

// names lists a directory's records; the keys and the aggregation are not among them.
func (f folder) names(directory string) []string {
	found, _ := filepath.Glob(filepath.Join(f.path, directory, "*.json"))
	names := []string{}
	for _, each := range found {
		if base := filepath.Base(each); directory != "receipts" || base != "keys.json" && base != "aggregation.json" {
			names = append(names, directory+"/"+base)
		}
	}
	sort.Strings(names)
	return names
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: stranger SCHEMAS KEYS FOLDER...")
		os.Exit(2)
	}
	all := 0
	for _, path := range os.Args[3:] {
		f := folder{path: path, schemas: os.Args[1]}
		keys := os.Args[2]
		if keys == "-" {
			keys = filepath.Join(path, "receipts", "keys.json")
		}
		raw, err := os.ReadFile(keys)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		f.policy = pinned(raw)
		f.study, _ = os.ReadFile(filepath.Join(path, "study.json"))
		failures := f.verdicts()
		if len(failures) == 0 {
			fmt.Printf("%s: holds\n", path)
			continue
		}
		all = 11
		for _, each := range failures {
			fmt.Printf("%s: %s: %s\n", path, each.name, strings.ReplaceAll(each.err.Error(), "\n", " "))
		}
	}
	os.Exit(all)
}
