// Package generators tests that generators and validators of other languages take the schemas
// in spec as they are. Its folder has nothing else.
package generators
