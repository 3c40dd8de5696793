package sample

import "math/big"

// order assigns a place to each of size objects, in an order that looks random.
type order struct {
	size            int
	factor, inverse int // their product is 1 modulo size
}

func newOrder(size int) order {
	o := order{size: size}
	modulus := big.NewInt(int64(max(size, 1)))
	for o.factor = 1 + size*618/1000; ; o.factor++ {
		if inverse := new(big.Int).ModInverse(big.NewInt(int64(o.factor)), modulus); inverse != nil {
			o.inverse = int(inverse.Int64())
			return o
		}
	}
}

// place returns the place of an object.
func (o order) place(number int) int { return number * o.factor % o.size }

// number returns the object at a place.
func (o order) number(place int) int { return place * o.inverse % o.size }
