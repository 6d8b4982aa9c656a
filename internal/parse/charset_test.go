package parse

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// TestCharsetIsGuessed holds sentences as offices and people write them. Code page 866, and Japanese or Korean of a few
// words only, are not told.
func TestCharsetIsGuessed(t *testing.T) {
	const ru = "Заявление подаётся в письменной форме. Срок рассмотрения обращения составляет тридцать дней со дня его регистрации."
	const ja = "申請書は窓口に提出してください。受付時間は午前九時から午後五時までです。手数料は無料です。"
	tests := []struct{ charset, text string }{
		{"iso-8859-2", "Zażółć gęślą jaźń, a potem wróć do domu. Święta w tym roku spędzimy u babci, która mieszka w małym mieście nad rzeką."},
		{"iso-8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy. Rozhodnutí o výši poplatku se doručuje účastníkům řízení do vlastních rukou."},
		{"windows-1250", "Žádost o vydání průkazu se podává na příslušném úřadě, který vydá rozhodnutí do třiceti dnů ode dne podání žádosti."},
		{"windows-1250", "Wniosek należy złożyć w urzędzie właściwym ze względu na miejsce zamieszkania. Opłata wynosi pięćdziesiąt złotych."},
		{"windows-1251", ru},
		{"windows-1251", "Привет, мир! Это короткий текст."},
		{"koi8-r", ru},
		{"koi8-r", "Привет, мир! Это короткий текст."},
		{"iso-8859-5", ru},
		{"shift_jis", ja},
		{"euc-jp", ja},
		{"iso-2022-jp", ja},
		{"gb18030", "申请人应当向当地主管部门提交书面申请。主管部门应当在三十日内作出决定,并通知申请人。"},
		{"gb18030", "这是一个测试文件,内容很短。"},
		{"big5", "申請人應當向當地主管機關提出書面申請。主管機關應當在三十日內作出決定,並通知申請人。"},
		{"big5", "這是一個測試文件,內容很短。"},
		{"euc-kr", "신청서는 관할 기관에 서면으로 제출하여야 한다. 처리 기간은 접수일로부터 삼십 일이다."},
		{"windows-1253", "Η αίτηση υποβάλλεται γραπτώς στην αρμόδια υπηρεσία. Η προθεσμία είναι τριάντα ημέρες από την υποβολή."},
		{"windows-1255", "הבקשה תוגש בכתב לרשות המוסמכת. הרשות תשיב לפונה בתוך שלושים ימים מיום קבלת הבקשה."},
		{"windows-1256", "يقدم الطلب كتابة إلى الجهة المختصة. وتبت الجهة في الطلب خلال ثلاثين يوما من تاريخ تقديمه."},
		{"windows-1254", "Başvuru yazılı olarak yapılır. Başvurunun sonuçlandırılma süresi otuz gündür ve ücret alınmaz."},
		{"windows-1252", "Der Antrag ist schriftlich bei der zuständigen Behörde zu stellen. Die Gebühr beträgt fünf € und wird erhoben."},
		{"windows-1252", "Le café est situé à côté de l’hôtel. Les élèves ont reçu leurs prix à la fête de l’école."},
		{"windows-1252", "El niño comió una manzana en el jardín. ¿Dónde está la biblioteca? Mañana será otro día."},
		{"windows-1252", "café € 5"},
		{"windows-1252", "Name: Müller, Straße 5, a plain English text otherwise with one or two names."},
		{"windows-1252", "The company’s “first quarter” report – published in May – was good."},
		{"windows-1252", "Ansökan ska göras skriftligt hos behörig myndighet. Avgiften är fem kronor och tas ut för prövningen."},
		{"windows-1252", "O pedido é apresentado por escrito à autoridade competente. A decisão é tomada no prazo de trinta dias após a recepção."},
		{"utf-16le", "The first line\nand the second"},
		{"utf-16be", ru},
		{"utf-16le", "申請書は窓口に提出してください。\n受付時間は午前九時から午後五時までです。"},
	}
	for _, test := range tests {
		e, err := htmlindex.Get(test.charset)
		if err != nil {
			t.Fatal(err)
		}
		switch test.charset {
		case "utf-16le":
			e = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
		case "utf-16be":
			e = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
		}
		raw, err := e.NewEncoder().Bytes([]byte(test.text))
		if err != nil {
			t.Fatalf("%s: %v", test.charset, err)
		}
		// The same bytes after much that is ASCII must be read alike: a table or a source may begin so.
		for _, before := range []string{"", strings.Repeat("plain words first.\n", 5_000)} {
			if before != "" && strings.HasPrefix(test.charset, "utf-16") {
				continue
			}
			p, err := parse(t, TypeText, append([]byte(before), raw...))
			if err != nil || !strings.HasSuffix(p.Text, test.text) && !strings.HasSuffix(strings.ReplaceAll(p.Text, "\n\n", "\n"), test.text) {
				t.Errorf("%s: %.60q is not %.60q (%v, %v)", test.charset, p.Text[max(0, len(p.Text)-len(test.text)):], test.text, p.Warnings, err)
			}
			if len(p.Warnings) != 1 || !strings.HasPrefix(told(p.Warnings)[0], "encoding_guessed: ") {
				t.Errorf("%s: warnings %q", test.charset, p.Warnings)
			}
		}
	}
}

func TestCharsetIsNotGuessedWhereItIsTold(t *testing.T) {
	for name, test := range map[string]struct{ mediaType, in string }{
		"ASCII":              {TypeText, "plain"},
		"UTF-8":              {TypeText, "café"},
		"UTF-8, cut":         {TypeText, strings.Repeat("é", 20) + "\xc3"},
		"UTF-16 with a mark": {TypeText, "\xff\xfeh\x00i\x00"},
		"HTML that says it":  {TypeHTML, "<meta charset=windows-1252><p>caf\xe9</p>"},
	} {
		p, err := parse(t, test.mediaType, []byte(test.in))
		if err != nil || len(p.Warnings) > 0 {
			t.Errorf("%s: %q, %v", name, p.Warnings, err)
		}
	}
	if p, err := parse(t, TypeHTML, []byte("<p>caf\xe9</p>")); err != nil || len(p.Warnings) != 1 {
		t.Errorf("HTML that says nothing: %q, %v", p.Warnings, err)
	}
}
