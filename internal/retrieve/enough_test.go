package retrieve

import "testing"

func TestEnough(t *testing.T) {
	dense := make([]float64, 60) // falls from 0.9 by 0.01 a rank
	for i := range dense {
		dense[i] = 0.9 - 0.01*float64(i)
	}
	found := hits(dense...)
	falling, flat := make([]float32, 60), make([]float32, 60)
	for i := range falling {
		falling[i] = 5 - float32(i)/4
	}
	tests := []struct {
		name      string
		logits    []float32
		tolerance float64
		most      int // logits after which it must be enough; 0 for never
	}{
		{"both fall", falling, 0.5, 20},
		{"equal logits say nothing", flat, 0.5, 0},
		{"a tighter tolerance reads more", falling, 0.001, 40},
	}
	for _, test := range tests {
		rule := enough(found, 5, test.tolerance, Blending{}.settled())
		ended := 0
		for n := 1; n <= len(test.logits) && ended == 0; n++ {
			if rule(test.logits[:n]) {
				ended = n
			}
		}
		if (ended > 0) != (test.most > 0) || ended > test.most || ended > 0 && ended < leastScored {
			t.Errorf("%s: enough after %d, want at most %d", test.name, ended, test.most)
		}
	}
	if enough(found, 5, 0, Blending{}.settled()) != nil {
		t.Error("tolerance 0 must score all")
	}
	if enough(found[:3], 10, 1, Blending{}.settled())(falling[:3]) {
		t.Error("fewer candidates than places were called enough")
	}
}
