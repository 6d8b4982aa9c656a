package encode

// bestWindow gives the width tokens of passage in a row that hold most of the query's words: each distinct token of the
// query counts 1/n where the passage has it n times, so that rare ones decide. Of equal windows the first is taken, and a
// passage without any of the query's tokens is read from its start.
func bestWindow(query, passage []int32, width int) []int32 {
	if len(passage) <= width {
		return passage
	}
	times := make(map[int32]int, len(query))
	for _, id := range query {
		times[id] = 0
	}
	for _, id := range passage {
		if n, asked := times[id]; asked {
			times[id] = n + 1
		}
	}
	inside := make(map[int32]int, len(query))
	sum, best, start := 0.0, 0.0, 0
	for i, id := range passage {
		if n, asked := times[id]; asked {
			if inside[id]++; inside[id] == 1 {
				sum += 1 / float64(n)
			}
		}
		if out := i - width; out >= 0 {
			if n, asked := times[passage[out]]; asked {
				if inside[passage[out]]--; inside[passage[out]] == 0 {
					sum -= 1 / float64(n)
				}
			}
		}
		if i >= width-1 && sum > best+1e-9 {
			best, start = sum, i-width+1
		}
	}
	return passage[start : start+width]
}
