package catalogtest

import (
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

func testKeys(t *testing.T, b bundle) {
	if has, err := b.HasKeys(b.ctx); err != nil || has {
		t.Fatalf("keys at first: %v %v", err, has)
	}
	k, err := b.CreateKey(b.ctx, "acme", "laptop", rag.ScopeWrite)
	if err != nil || !strings.HasPrefix(k.Secret, "rk_"+k.ID+"_") || len(k.Secret) < 55 {
		t.Fatalf("create: %v %+v", err, k)
	}
	p, err := b.Authenticate(b.ctx, k.Secret)
	if err != nil || p != (rag.Principal{Tenant: "acme", Key: k.ID, Scope: rag.ScopeWrite}) || !p.MayWrite() {
		t.Errorf("authenticate: %v %+v", err, p)
	}
	for _, secret := range []string{"", "rk_", "rk_" + k.ID, "rk_" + k.ID + "_", k.Secret + "x", "rk_none_" + k.Secret[16:], "Bearer " + k.Secret} {
		_, err := b.Authenticate(b.ctx, secret)
		checkProblem(t, err, rag.ErrUnauthorized, "invalid_api_key")
	}
	if has, err := b.HasKeys(b.ctx); err != nil || !has {
		t.Errorf("has keys: %v %v", err, has)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		keys, err := b.Keys(b.ctx)
		if err != nil || len(keys) != 1 || keys[0].Secret != "" || keys[0].Name != "laptop" || keys[0].Scope != rag.ScopeWrite {
			t.Fatalf("list: %v %+v", err, keys)
		}
		if keys[0].LastUsedAt != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the use of a key was not recorded")
		}
	}
	expired, err := b.CreateKey(b.ctx, "acme", "old", rag.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := b.Authenticate(b.ctx, expired.Secret); err != nil || p.Scope != rag.ScopeRead || p.MayWrite() {
		t.Errorf("a key that may only read: %v %+v", err, p)
	}
	if err := b.ExpireKey(b.ctx, expired.ID, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = b.Authenticate(b.ctx, expired.Secret)
	checkProblem(t, err, rag.ErrUnauthorized, "invalid_api_key")
	if err := b.RevokeKey(b.ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = b.Authenticate(b.ctx, k.Secret)
	checkProblem(t, err, rag.ErrUnauthorized, "invalid_api_key")
	checkProblem(t, b.RevokeKey(b.ctx, "none"), rag.ErrNotFound, "not_found")
	_, err = b.CreateKey(b.ctx, "acme", "other", "admin")
	checkProblem(t, err, rag.ErrInvalid, "invalid")
}
