package parse

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// show writes a number.
func (f numberFormat) show(n float64, date1904 bool) string {
	if len(f) == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return general(n)
	}
	section, signed := f.choose(n)
	s := f[section]
	switch {
	case s.date:
		return s.showDate(n, date1904)
	case s.general || s.fraction:
		return s.around(general(unsigned(n, signed)))
	case s.exponent:
		return s.around(strconv.FormatFloat(unsigned(n, signed), 'E', s.exponentDecimals(), 64))
	}
	return s.showNumber(n, signed)
}

func unsigned(n float64, signed bool) float64 {
	if signed {
		return n
	}
	return math.Abs(n)
}

// choose gives the section for a number, and whether a minus sign is shown: a section for negative numbers has its own.
func (f numberFormat) choose(n float64) (section int, signed bool) {
	conditions := false
	for i, s := range f[:min(len(f), 3)] {
		if s.operator == "" {
			continue
		}
		conditions = true
		if s.holds(n) {
			return i, true
		}
	}
	switch {
	case conditions:
		for i, s := range f {
			if s.operator == "" {
				return i, true
			}
		}
		return 0, true
	case n < 0 && len(f) > 1:
		return 1, false
	case n == 0 && len(f) > 2:
		return 2, true
	}
	return 0, true
}

func (s formatSection) holds(n float64) bool {
	switch s.operator {
	case "<":
		return n < s.operand
	case "<=":
		return n <= s.operand
	case ">":
		return n > s.operand
	case ">=":
		return n >= s.operand
	case "<>":
		return n != s.operand
	}
	return n == s.operand
}

// around puts a section's literals before and after a number that is written in one piece.
func (s formatSection) around(number string) string {
	var before, after strings.Builder
	digits := false
	for _, t := range s.tokens {
		switch {
		case t.kind != 'l':
			digits = true
		case digits && !s.fraction:
			after.WriteString(t.text)
		case !digits:
			before.WriteString(t.text)
		}
	}
	return before.String() + number + after.String()
}

func (s formatSection) exponentDecimals() int {
	n, point := 0, false
	for _, t := range s.tokens {
		switch {
		case t.kind == 'E':
			return n
		case t.kind == '.':
			point = true
		case t.kind == 'd' && point:
			n++
		}
	}
	return n
}

// showNumber fills the places of the digits from the point on, to both sides.
func (s formatSection) showNumber(n float64, signed bool) string {
	value := math.Abs(n) * math.Pow(100, float64(s.percent)) / math.Pow(1000, float64(s.scale))
	if math.IsInf(value, 0) {
		return general(n)
	}
	whole, decimals, _ := strings.Cut(strconv.FormatFloat(halfUp(value, s.decimals), 'f', s.decimals, 64), ".")
	for len(decimals) > s.least && strings.HasSuffix(decimals, "0") {
		decimals = decimals[:len(decimals)-1]
	}
	negative := signed && n < 0 && strings.Trim(whole+decimals, "0") != ""
	if whole == "0" {
		whole = "" // the format says whether it is shown
	}
	point := len(s.tokens)
	for i, t := range s.tokens {
		if t.kind == '.' {
			point = i
			break
		}
	}
	text := s.wholePart(whole, point) + s.decimalPart(decimals, point)
	if negative {
		return "-" + text
	}
	return text
}

// halfUp rounds a half away from zero, as people do, also where the half can't be written in binary, as in 1.005.
func halfUp(value float64, decimals int) float64 {
	places := math.Pow(10, float64(decimals))
	if value*places > 1e15 {
		return value
	}
	return math.Round(value*places*(1+4e-16)) / places
}

// wholePart writes what is before the point, from right to left.
func (s formatSection) wholePart(digits string, point int) string {
	first := -1
	for i, t := range s.tokens[:point] {
		if t.kind == 'd' {
			first = i
			break
		}
	}
	var parts []string // from the right
	written := 0
	put := func(digit string) {
		if s.thousands && written > 0 && written%3 == 0 {
			digit += ","
		}
		written++
		parts = append(parts, digit)
	}
	for i := point - 1; i >= 0; i-- {
		switch t := s.tokens[i]; {
		case t.kind == 'l':
			parts = append(parts, t.text)
		case t.kind != 'd':
		case digits == "" && t.text == "0":
			put("0")
		case digits != "":
			put(digits[len(digits)-1:])
			digits = digits[:len(digits)-1]
			for i == first && digits != "" {
				put(digits[len(digits)-1:])
				digits = digits[:len(digits)-1]
			}
		}
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
	}
	return b.String()
}

// decimalPart writes the point and what is after it.
func (s formatSection) decimalPart(digits string, point int) string {
	if point == len(s.tokens) {
		return ""
	}
	var b strings.Builder
	if digits != "" {
		b.WriteByte('.')
	}
	for _, t := range s.tokens[point:] {
		switch {
		case t.kind == 'l':
			b.WriteString(t.text)
		case t.kind == 'd' && digits != "":
			b.WriteByte(digits[0])
			digits = digits[1:]
		}
	}
	return b.String()
}

const lastDay = 2_958_465 // 9999-12-31

// showDate writes the day and time that a number stands for: days since the end of 1899, or the beginning of 1904.
func (s formatSection) showDate(n float64, date1904 bool) string {
	if n < 0 || n > lastDay {
		return general(n)
	}
	unit := time.Second
	for range min(s.decimals, 3) {
		unit /= 10
	}
	ticks := math.Round(n * float64(24*time.Hour/unit))
	days := int(ticks / float64(24*time.Hour/unit))
	rest := time.Duration(ticks-float64(days)*float64(24*time.Hour/unit)) * unit
	first := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case date1904:
		first = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case days < 60: // Excel's 1900 has a 29th of February
		first = first.AddDate(0, 0, 1)
	}
	at := first.AddDate(0, 0, days).Add(rest)
	half := false
	for _, t := range s.tokens {
		half = half || t.kind == 'p'
	}
	var b strings.Builder
	for _, t := range s.tokens {
		switch t.kind {
		case 'l':
			b.WriteString(t.text)
		case 't':
			b.WriteString(datePart(t.text, at, half))
		case 'T':
			b.WriteString(elapsed(t.text, days, rest))
		case 'p':
			b.WriteString(at.Format("PM"))
		case 'f':
			if t.text == "" && s.decimals > 0 {
				b.WriteString(fmt.Sprintf(".%09d", at.Nanosecond())[:1+min(s.decimals, 9)])
			}
		}
	}
	return strings.TrimSpace(b.String())
}

// elapsed writes the hours, minutes or seconds of days and what is left of one.
func elapsed(part string, days int, rest time.Duration) string {
	n := days*24 + int(rest/time.Hour)
	switch part[0] {
	case 'm':
		n = days*24*60 + int(rest/time.Minute)
	case 's':
		n = days*24*60*60 + int(rest/time.Second)
	}
	return fmt.Sprintf("%0*d", min(len(part), 9), n)
}

// datePart writes a part of a date; half is whether hours go to twelve.
func datePart(part string, at time.Time, half bool) string {
	switch part {
	case "yy", "y":
		return at.Format("06")
	case "m":
		return at.Format("1")
	case "mm":
		return at.Format("01")
	case "mmm":
		return at.Format("Jan")
	case "mmmm":
		return at.Format("January")
	case "d":
		return at.Format("2")
	case "dd":
		return at.Format("02")
	case "ddd":
		return at.Format("Mon")
	case "dddd":
		return at.Format("Monday")
	case "n":
		return strconv.Itoa(at.Minute())
	case "nn":
		return at.Format("04")
	case "s":
		return strconv.Itoa(at.Second())
	case "ss":
		return at.Format("05")
	}
	switch {
	case part[0] == 'y':
		return at.Format("2006")
	case part[0] == 'h':
		hour := at.Hour()
		if half {
			hour = (hour+11)%12 + 1
		}
		return fmt.Sprintf("%0*d", min(len(part), 2), hour)
	case part == "mmmmm":
		return at.Format("January")[:1]
	}
	return at.Format("Monday")
}
