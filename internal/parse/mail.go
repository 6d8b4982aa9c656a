package parse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"github.com/redkite/redkite/internal/rag"
)

// mailFormat reads a mail: its head, its text or else its HTML, and the mails that it forwards. Attachments are named in a
// warning and not read.
type mailFormat struct{}

const (
	deepestMail   = 10       // parts inside each other
	mostForwarded = 3        // mails inside each other
	mostMailParts = 1000     // of one mail
	mostAddresses = 20       // shown of a list of recipients
	mostNamed     = 20       // attachments that are named
	mostBody      = 64 << 20 // bytes of one part that are read as text
	leastText     = 16       // characters of a text part that is preferred to a longer HTML part
)

// Parse reads a mail part by part.
func (mailFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	r := bufio.NewReader(&cancelable{ctx: ctx, r: o})
	if line, err := r.Peek(5); err == nil && string(line) == "From " {
		_, _ = r.ReadString('\n') // a mailbox's mark; a file that ends here fails below
	}
	message, err := mail.ReadMessage(r)
	if err != nil {
		return unreadable(TypeMail, err)
	}
	m := mailRead{b: b}
	m.message(message, 0)
	if n := len(m.attached); n > 0 {
		names := m.attached[:min(n, mostNamed)]
		b.warn(rag.WarnPartialText, "%d attachments were not read: %s", n, strings.Join(names, ", "))
	}
	if m.broken != nil {
		b.warn(rag.WarnPartialText, "a part of the mail is damaged or ends too early: what came before was read (%v)", m.broken)
	}
	return ctx.Err()
}

// mailRead is a mail being read, with those inside it.
type mailRead struct {
	b        *builder
	parts    int
	attached []string
	broken   error // the first part that could not be read to its end
}

// message reads a mail; depth counts those around it.
func (m *mailRead) message(message *mail.Message, depth int) {
	var head []string
	subject := headerText(message.Header.Get("Subject"))
	path := m.b.path
	if depth == 0 {
		m.b.given = subject
	} else {
		m.b.heading(len(path)+1, "Forwarded: "+subject)
	}
	if subject != "" {
		head = append(head, "Subject: "+subject)
	}
	for _, key := range []string{"From", "To", "Cc"} {
		if people := addresses(message.Header[key]); people != "" {
			head = append(head, key+": "+people)
		}
	}
	if date, err := message.Header.Date(); err == nil {
		head = append(head, "Date: "+date.Format("2006-01-02 15:04:05 -0700"))
	} else if written := headerText(message.Header.Get("Date")); written != "" {
		head = append(head, "Date: "+written)
	}
	m.b.add(rag.BlockParagraph, strings.Join(head, "\n"))
	m.show(m.part(textproto.MIMEHeader(message.Header), message.Body, depth, 0))
	m.b.path = path
}

// body is what a part has to show: text, or HTML, or a walk through what is inside.
type body struct {
	text, page string
	inner      []body
	forwarded  []byte
	depth      int
}

// part reads one part. What is inside a multipart comes in inner.
func (m *mailRead) part(header textproto.MIMEHeader, r io.Reader, depth, nested int) body {
	if m.parts++; m.parts > mostMailParts || nested > deepestMail {
		m.note("parts nested too deep, or too many")
		return body{}
	}
	kind, params, _ := mime.ParseMediaType(header.Get("Content-Type")) // what can be read of it
	if kind == "" {
		kind = TypeText // as in mail from before MIME
	}
	disposition, named, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	name := headerText(named["filename"])
	if name == "" {
		name = headerText(params["name"])
	}
	attached := disposition == "attachment"
	switch {
	case strings.HasPrefix(kind, "multipart/") && params["boundary"] != "":
		return m.multipart(kind, multipart.NewReader(decodedBody(header, r), params["boundary"]), depth, nested)
	case kind == TypeMail && depth < mostForwarded:
		return body{forwarded: m.read(decodedBody(header, r)), depth: depth + 1}
	case kind == TypeText && !attached:
		return body{text: m.text(header, r, params["charset"], TypeText)}
	case kind == TypeHTML && !attached:
		return body{page: m.text(header, r, params["charset"], TypeHTML)}
	}
	if name == "" {
		name = kind
	}
	m.attached = append(m.attached, name)
	return body{}
}

func (m *mailRead) note(what string) {
	if m.broken == nil {
		m.broken = fmt.Errorf("%s", what)
	}
}

// multipart reads the parts of one. Of alternatives one is kept.
func (m *mailRead) multipart(kind string, parts *multipart.Reader, depth, nested int) body {
	var all []body
	for m.parts <= mostMailParts {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // exactly so, since one inside another ends as well
			break
		}
		if err != nil {
			m.note(err.Error())
			break
		}
		all = append(all, m.part(part.Header, part, depth, nested+1))
	}
	if kind != "multipart/alternative" {
		return body{inner: all}
	}
	text := slices.IndexFunc(all, func(b body) bool { return b.text != "" })
	other := slices.IndexFunc(all, func(b body) bool { return b.page != "" || b.inner != nil })
	switch {
	case text >= 0 && (other < 0 || len(strings.TrimSpace(all[text].text)) >= leastText):
		return all[text]
	case other >= 0:
		return all[other]
	}
	return body{inner: all}
}

// show writes what was read.
func (m *mailRead) show(shown body) {
	switch {
	case shown.text != "":
		plainText(shown.text, m.b)
	case shown.page != "":
		m.page(shown.page)
	case shown.forwarded != nil:
		message, err := mail.ReadMessage(bytes.NewReader(shown.forwarded))
		if err != nil {
			m.note(err.Error())
			return
		}
		m.message(message, shown.depth)
	}
	for _, inner := range shown.inner {
		m.show(inner)
	}
}

// page writes a mail's HTML, all of it: a mail has no navigation.
func (m *mailRead) page(text string) {
	page, err := html.Parse(strings.NewReader(text))
	if err != nil {
		m.note(err.Error())
		return
	}
	prepare(page)
	path, title := m.b.path, m.b.title
	w := htmlWalk{builder: m.b, boilerplate: true}
	w.children(first(page, atom.Body))
	w.flush()
	m.b.path, m.b.title = path, title
}

// text reads a part's text. Its charset is what it says, else what its bytes tell.
func (m *mailRead) text(header textproto.MIMEHeader, r io.Reader, name, mediaType string) string {
	raw := m.read(decodedBody(header, r))
	if e, known := charset.Lookup(name); e != nil && known != "utf-8" {
		if text, err := e.NewDecoder().Bytes(raw); err == nil {
			return string(text)
		}
	}
	text, err := decode(raw, mediaType, m.b)
	if err != nil {
		m.note(err.Error())
	}
	return text
}

// read takes a part to its end, or as far as it can be read.
func (m *mailRead) read(r io.Reader) []byte {
	raw, err := io.ReadAll(io.LimitReader(r, mostBody))
	if err != nil {
		m.note(err.Error())
	}
	if raw == nil {
		raw = []byte{}
	}
	return raw
}

// decodedBody undoes a transfer encoding.
func decodedBody(header textproto.MIMEHeader, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, &base64Only{r: r})
	}
	return r
}

// base64Only leaves out what other programs put between the characters.
type base64Only struct{ r io.Reader }

func (o *base64Only) Read(p []byte) (int, error) {
	for {
		n, err := o.r.Read(p)
		kept := p[:0]
		for _, c := range p[:n] {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
				kept = append(kept, c)
			}
		}
		if len(kept) > 0 || err != nil || len(p) == 0 {
			return len(kept), err
		}
	}
}

// headerText decodes the text of a header.
func headerText(value string) string {
	decoder := mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) {
		return charset.NewReaderLabel(name, r)
	}}
	text, err := decoder.DecodeHeader(value)
	if err != nil {
		text = value
	}
	return fold(text)
}

// addresses writes people as they are written, the first of a long list.
func addresses(values []string) string {
	var people []string
	for _, value := range values {
		people = append(people, splitAddresses(headerText(value))...)
	}
	if n := len(people); n > mostAddresses {
		people = append(people[:mostAddresses], fmt.Sprintf("and %d more", n-mostAddresses))
	}
	return strings.Join(people, ", ")
}

// splitAddresses cuts at commas outside of quotation marks, which keeps addresses that no standard allows.
func splitAddresses(list string) []string {
	var out []string
	quoted, from := false, 0
	for i, c := range list {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out = append(out, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	return append(out, strings.TrimSpace(list[from:]))
}

// looksLikeMail reports whether a text begins with the head of a mail: a sender, and two more that only mails have.
func looksLikeMail(head []byte) bool {
	if bytes.HasPrefix(head, []byte("From ")) {
		_, head, _ = bytes.Cut(head, []byte("\n"))
	}
	field := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*:[ \t]`)
	found := map[string]bool{}
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		if !field.Match(line) && !bytes.HasSuffix(line, []byte(":")) {
			return false
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		found[strings.ToLower(string(name))] = true
	}
	marks := 0
	for _, name := range []string{"to", "date", "subject", "message-id", "received", "mime-version", "return-path", "delivered-to"} {
		if found[name] {
			marks++
		}
	}
	return found["from"] && marks >= 2
}
