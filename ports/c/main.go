// Command c is the codec of the protocol as a library for languages that can call C; confd.h
// describes it.
package main

/*
#define CONFD_TYPES_ONLY
#include <stdlib.h>
#include "confd.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/release"
)

// maxKey is the maximum size of a key in bytes. Ganeti's has 41.
const maxKey = 1 << 20

var (
	errSalt = errors.New("the reply to another request")
	errJSON = errors.New("the request is not JSON")
	errKey  = fmt.Errorf("the key must have 1 to %d bytes", maxKey)
)

func main() {} // required by the linker, though a library does not run it

//export confd_seal
func confd_seal(key unsafe.Pointer, keySize C.size_t, request *C.char, now C.int64_t, result *C.struct_confd_result) C.int {
	return fill(result, func() ([]byte, error) {
		codec, err := newCodec(key, keySize)
		if err != nil {
			return nil, err
		}
		text := []byte(C.GoString(request))
		if !jx.Valid(text) { // the whole text, because Decode stops after the object
			return nil, errJSON
		}
		var r wire.Request
		if err := r.Decode(jx.DecodeBytes(text)); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
		return codec.SealRequest(nil, &r, time.Unix(int64(now), 0))
	})
}

//export confd_open
func confd_open(key unsafe.Pointer, keySize C.size_t, datagram unsafe.Pointer, size C.size_t, rsalt *C.char, result *C.struct_confd_result) C.int {
	return fill(result, func() ([]byte, error) {
		codec, err := newCodec(key, keySize)
		if err != nil {
			return nil, err
		}
		if size > wire.MaxDatagramSize {
			return nil, protocol.ErrTooLarge
		}
		reply, salt, err := codec.OpenReply(C.GoBytes(datagram, C.int(size)))
		if err != nil {
			return nil, err
		}
		if salt != C.GoString(rsalt) {
			return nil, errSalt
		}
		var e jx.Encoder
		reply.Encode(&e)
		return e.Bytes(), nil
	})
}

//export confd_version
func confd_version(result *C.struct_confd_result) C.int {
	return fill(result, func() ([]byte, error) { return []byte(release.Version()), nil })
}

//export confd_free
func confd_free(result *C.struct_confd_result) {
	C.free(unsafe.Pointer(result.error))
	C.free(unsafe.Pointer(result.data))
	*result = C.struct_confd_result{}
}

// newCodec returns a codec with one key.
func newCodec(key unsafe.Pointer, size C.size_t) (*protocol.Codec, error) {
	if size == 0 || size > maxKey {
		return nil, errKey
	}
	return protocol.NewCodec(protocol.NewKeyring(C.GoBytes(key, C.int(size)))), nil
}

// fill copies what run returns into a result, in memory of C.
func fill(result *C.struct_confd_result, run func() ([]byte, error)) C.int {
	*result = C.struct_confd_result{}
	data, err := run()
	if err != nil {
		result.error = C.CString(err.Error())
		return -1
	}
	result.data, result.size = C.CString(string(data)), C.size_t(len(data))
	return 0
}
