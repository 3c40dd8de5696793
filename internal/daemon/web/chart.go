package web

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// chart is a line through values, scaled into a box, for the template.
type chart struct {
	Width, Height int
	Points        string // of a polyline; the newest value is at the right edge
	First         string // x of the first point
	Peak          float64
}

// draw returns the chart of values: slots values fill its width, and top is the value at
// its upper edge.
func draw(values []float64, slots int, top float64, width, height int) chart {
	c := chart{Width: width, Height: height, First: fmt.Sprint(width)}
	var points strings.Builder
	for i, value := range values {
		c.Peak = max(c.Peak, value)
		if i > 0 && i < len(values)-1 && values[i-1] == value && values[i+1] == value {
			continue // in the middle of a level line
		}
		x := float64(width) * (1 - float64(len(values)-1-i)/float64(max(slots-1, 1)))
		if i == 0 {
			c.First = number(x)
		}
		fmt.Fprintf(&points, "%s,%s ", number(x), number(float64(height)*(1-value/max(top, math.SmallestNonzeroFloat64))))
	}
	c.Points = strings.TrimSuffix(points.String(), " ")
	return c
}

// number formats a coordinate with as many digits as are visible.
func number(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", x), "0"), ".")
}

// ceiling returns the smallest number of the form 1, 2 or 5 times a power of ten that is at
// least 1 and at least every value.
func ceiling(values ...float64) float64 {
	top := max(1, slices.Max(append(values, 1)))
	power := math.Pow(10, math.Floor(math.Log10(top)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= top {
			return factor * power
		}
	}
	return 10 * power
}
