package catalog

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

const (
	keyPrefix = "rk_"
	// touchEvery bounds how often a key's use is written down.
	touchEvery = time.Minute
)

// Key is an API key. Its secret is known only to CreateKey's caller.
type Key struct {
	ID         string // public, part of the secret
	Secret     string // "rk_<id>_<256 random bits in base 62>"; empty except from CreateKey
	Tenant     string
	Name       string
	Scope      rag.Scope
	CreatedAt  time.Time
	LastUsedAt *time.Time // within a minute
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
}

// CreateKey makes a key for a tenant. The secret is shown this once; only its hash is kept.
func (c *Catalog) CreateKey(ctx context.Context, tenant, name string, scope rag.Scope) (Key, error) {
	if scope != rag.ScopeRead && scope != rag.ScopeWrite {
		return Key{}, rag.Invalid("", "a key's scope is %s or %s, not %q", rag.ScopeRead, rag.ScopeWrite, scope)
	}
	k := Key{ID: strings.ToLower(rand.Text()[:12]), Tenant: tenant, Name: name, Scope: scope, CreatedAt: fromMicros(micros(c.now()))}
	bits := make([]byte, 32)
	if _, err := rand.Read(bits); err != nil {
		return Key{}, fmt.Errorf("create key: %w", err)
	}
	k.Secret = keyPrefix + k.ID + "_" + new(big.Int).SetBytes(bits).Text(62)
	err := c.inTx(ctx, "create key "+name, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO api_keys (id, tenant, name, scope, hash, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
			k.ID, k.Tenant, k.Name, k.Scope, hashSecret(k.Secret), micros(k.CreatedAt))
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// ExpireKey lets a key end at a time to come.
func (c *Catalog) ExpireKey(ctx context.Context, id string, at time.Time) error {
	return c.changeKey(ctx, id, `UPDATE api_keys SET expires_at = ? WHERE id = ?`, micros(at))
}

// RevokeKey ends a key at once and for good.
func (c *Catalog) RevokeKey(ctx context.Context, id string) error {
	return c.changeKey(ctx, id, `UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?`, micros(c.now()))
}

func (c *Catalog) changeKey(ctx context.Context, id, statement string, arg any) error {
	return c.inTx(ctx, "change key "+id, func(tx *transaction) error {
		result, err := tx.ExecContext(ctx, statement, arg, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(rag.NotFound("there is no key %q; 'redkite keys list' shows them", id), err)
		}
		return nil
	})
}

const keyColumns = `k.id, k.tenant, k.name, k.scope, k.created_at, k.last_used_at, k.expires_at, k.revoked_at`

func scanKey(r row) (Key, error) {
	var k Key
	var created int64
	var used, expires, revoked sql.NullInt64
	if err := r.Scan(&k.ID, &k.Tenant, &k.Name, &k.Scope, &created, &used, &expires, &revoked); err != nil {
		return Key{}, err
	}
	k.CreatedAt, k.LastUsedAt, k.ExpiresAt, k.RevokedAt = fromMicros(created), optional(used), optional(expires), optional(revoked)
	return k, nil
}

// Keys lists the keys of all tenants, oldest first, without secrets.
func (c *Catalog) Keys(ctx context.Context) ([]Key, error) {
	keys, err := collect(ctx, c.read, scanKey, `SELECT `+keyColumns+` FROM api_keys k ORDER BY k.created_at, k.id`)
	if err != nil {
		return nil, unavailable("list keys", err)
	}
	return keys, nil
}

// HasKeys reports whether there is a key that was not revoked. An expired one counts: that the last key expires must
// not open the server.
func (c *Catalog) HasKeys(ctx context.Context) (bool, error) {
	var n int
	if err := c.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL`).Scan(&n); err != nil {
		return false, unavailable("count keys", err)
	}
	return n > 0, nil
}

// Authenticate finds whose secret this is. An unknown, revoked or expired one is rag.ErrUnauthorized, and the message
// does not say which.
func (c *Catalog) Authenticate(ctx context.Context, secret string) (rag.Principal, error) {
	refused := &rag.Problem{
		Kind: rag.ErrUnauthorized, Code: "invalid_api_key",
		Message: "the API key is not valid; check it, or make a new one with 'redkite keys create'",
	}
	rest, ok := strings.CutPrefix(secret, keyPrefix)
	id, _, found := strings.Cut(rest, "_")
	if !ok || !found {
		return rag.Principal{}, refused
	}
	var hash string
	k, err := scanKey(&widened{
		row:  c.read.QueryRowContext(ctx, `SELECT `+keyColumns+`, k.hash FROM api_keys k WHERE k.id = ?`, id),
		more: []any{&hash},
	})
	if errors.Is(err, sql.ErrNoRows) {
		return rag.Principal{}, refused
	}
	if err != nil {
		return rag.Principal{}, unavailable("authenticate", err)
	}
	now := c.now()
	same := subtle.ConstantTimeCompare([]byte(hash), []byte(hashSecret(secret))) == 1
	if !same || k.RevokedAt != nil || k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		return rag.Principal{}, refused
	}
	if k.LastUsedAt == nil || now.Sub(*k.LastUsedAt) > touchEvery {
		c.touchKey(ctx, k.ID, now)
	}
	return rag.Principal{Tenant: k.Tenant, Key: k.ID, Scope: k.Scope}, nil
}

// touchKey writes down that a key was used, beside the request, which need not wait for that nor fail with it.
func (c *Catalog) touchKey(ctx context.Context, id string, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), busyTimeout)
	c.touch.Go(func() {
		defer cancel()
		if _, err := c.write.ExecContext(ctx, `UPDATE api_keys SET last_used_at = ? WHERE id = ? AND COALESCE(last_used_at, 0) < ?`,
			micros(now), id, micros(now.Add(-touchEvery))); err != nil {
			c.log.WarnContext(ctx, "use of key not recorded", "key", id, "error", err)
		}
	})
}
