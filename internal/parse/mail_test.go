package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

const mailHead = "Subject: Hi\r\nFrom: a@b.c\r\nDate: Tue, 3 Mar 2026 10:00:00 +0100\r\n"

func TestMail(t *testing.T) {
	const shownHead = "Subject: Hi\nFrom: a@b.c\nDate: 2026-03-03 10:00:00 +0100"
	paragraph := func(text, path string) shown { return shown{rag.BlockParagraph, text, path, 0} }
	alternative := func(text, page string) string {
		return mailHead + "Content-Type: multipart/alternative; boundary=X\r\n\r\n--X\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text +
			"\r\n--X\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + page + "\r\n--X--\r\n"
	}
	tests := []struct {
		name, in, title, warning string
		want                     []shown
	}{
		{"plain", mailHead + "\r\nHello,\r\n\r\n> you said\r\n> this\r\n", "Hi", "", []shown{
			paragraph(shownHead, ""), paragraph("Hello,", ""), paragraph("> you said\n> this", "")}},
		{"words of headers", "Subject: =?utf-8?B?w5xiZXIgS8OkZmln?= =?iso-8859-1?Q?_caf=E9?=\r\nFrom: =?utf-8?Q?J=C3=BCrgen?= <j@x.de>\r\nTo: \"Doe, Jane\" <jane@x.y>,\r\n bob@x.y\r\nDate: yesterday\r\n\r\nbody\r\n", "Über Käfig café", "", []shown{
			paragraph("Subject: Über Käfig café\nFrom: Jürgen <j@x.de>\nTo: \"Doe, Jane\" <jane@x.y>, bob@x.y\nDate: yesterday", ""), paragraph("body", "")}},
		{"quoted-printable and a charset", mailHead + "Content-Type: text/plain; charset=iso-8859-2\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nza=BF=F3=B3=E6 soft=\r\n break\r\n", "Hi", "", []shown{
			paragraph(shownHead, ""), paragraph("zażółć soft break", "")}},
		{"base64 with blanks in it", mailHead + "Content-Transfer-Encoding: base64\r\n\r\nSGVs\r\nbG8g d29y\r\nbGQ=\r\n", "Hi", "", []shown{paragraph(shownHead, ""), paragraph("Hello world", "")}},
		{"text is preferred", alternative("The text of the mail.", "<p>The page</p>"), "Hi", "", []shown{paragraph(shownHead, ""), paragraph("The text of the mail.", "")}},
		{"to an empty one HTML is", alternative("\r\n", "<h1>Offer</h1><p>The p=C3=A4ge</p><table><tr><td>a</td><td>b</td></tr></table><script>no</script>"), "Hi", "", []shown{
			paragraph(shownHead, ""), {rag.BlockHeading, "Offer", "Offer", 0}, paragraph("The päge", "Offer"), {rag.BlockTable, "a | b", "Offer", 0}}},
		{"attachments", mailHead + "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\nSee below.\r\n--a b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n" +
			"--a b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename*=utf-8''n%C3%B6te.txt\r\n\r\nnot shown\r\n--a b--\r\n", "Hi", "2 attachments were not read: x.pdf, nöte.txt", []shown{
			paragraph(shownHead, ""), paragraph("See below.", "")}},
		{"a mail in a mail", mailHead + "Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\nForwarding.\r\n--X\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\nFrom: c@d.e\r\n\r\nInside.\r\n--X--\r\n", "Hi", "", []shown{
			paragraph(shownHead, ""), paragraph("Forwarding.", ""), {rag.BlockHeading, "Forwarded: Inner", "Forwarded: Inner", 0},
			paragraph("Subject: Inner\nFrom: c@d.e", "Forwarded: Inner"), paragraph("Inside.", "Forwarded: Inner")}},
		{"a cut one", mailHead + "Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\nThe begin", "Hi", "partial_text: ", []shown{paragraph(shownHead, ""), paragraph("The begin", "")}},
		{"from a mailbox", "From a@b.c Tue Mar  3 10:00:00 2026\n" + mailHead + "\r\nx\r\n", "Hi", "", []shown{paragraph(shownHead, ""), paragraph("x", "")}},
		{"no charset", mailHead + "\r\nHola, ma\xf1ana ser\xe1 otro d\xeda en el jard\xedn.\r\n", "Hi", "encoding_guessed: ", []shown{paragraph(shownHead, ""), paragraph("Hola, mañana será otro día en el jardín.", "")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeMail, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, check(t, p)); diff != "" {
				t.Error(diff)
			}
			if p.Title != test.title || !strings.Contains(strings.Join(told(p.Warnings), "; "), test.warning) || test.warning == "" && len(p.Warnings) > 0 {
				t.Errorf("title %q, warnings %q", p.Title, p.Warnings)
			}
		})
	}
}

func TestHostileMail(t *testing.T) {
	deep, inner := mailHead, mailHead+"\r\nend\r\n"
	for i := range 500 {
		deep += "Content-Type: multipart/mixed; boundary=B" + strings.Repeat("x", i%60) + "\r\n\r\n--B" + strings.Repeat("x", i%60) + "\r\n"
	}
	for range 100 {
		inner = mailHead + "Content-Type: message/rfc822\r\n\r\n" + inner
	}
	for name, in := range map[string]string{
		"parts in parts":   deep,
		"mails in mails":   inner,
		"many parts":       mailHead + "Content-Type: multipart/mixed; boundary=X\r\n\r\n" + strings.Repeat("--X\r\n\r\na\r\n", 20_000),
		"one long line":    mailHead + "\r\n" + strings.Repeat("x", 50<<20),
		"many recipients":  "To: " + strings.Repeat("a@b.c, ", 100_000) + "z@b.c\r\n" + mailHead + "\r\nx",
		"a long multipart": mailHead + "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 70) + "\r\n\r\n" + strings.Repeat("-", 10<<20),
	} {
		p, err := parse(t, TypeMail, []byte(in))
		if err != nil || p.Title != "Hi" {
			t.Errorf("%s: title %q, %v", name, p.Title, err)
		}
		check(t, p)
	}
}

func FuzzMail(f *testing.F) {
	f.Add([]byte(mailHead + "Content-Type: multipart/alternative; boundary=X\r\n\r\n--X\r\n\r\na\r\n--X\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n--X--"))
	f.Add([]byte(mailHead + "Content-Type: message/rfc822\r\n\r\nSubject: =?koi8-r?Q?=F0?=\r\n\r\nx=\r\n"))
	fuzz(f, TypeMail)
}
