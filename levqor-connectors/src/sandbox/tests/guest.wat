;; A guest by hand: what it does is chosen by the first byte of its input. `DESCRIBE` is replaced
;; by the body of `describe`, `MANIFEST` by its text, `IMPORTS` by further imports.
(component
  IMPORTS
  (import "levqor:connector/types@0.1.0" (instance $types
    (type $context (record
      (field "run-id" string) (field "step-id" string) (field "attempt" u32)
      (field "idempotency-key" string) (field "time-left-ms" u64) (field "config" string)
      (field "traceparent" (option string))))
    (export "task-context" (type (eq $context)))
    (type $failure (record (field "message" string) (field "code" (option string))))
    (export "failure" (type $failure-e (eq $failure)))
    (type $limit (record (field "message" string) (field "retry-after-ms" (option u64))))
    (export "rate-limit" (type $limit-e (eq $limit)))
    (type $error (variant
      (case "invalid-input" $failure-e) (case "auth" $failure-e) (case "not-found" $failure-e)
      (case "conflict" $failure-e) (case "rate-limited" $limit-e) (case "transient" $failure-e)
      (case "permanent" $failure-e) (case "ambiguous" $failure-e)))
    (export "task-error" (type (eq $error)))
    (type $output (record (field "output" string) (field "credits" (option u64))))
    (export "task-output" (type (eq $output)))))
  (alias export $types "task-context" (type $context))
  (alias export $types "task-error" (type $error))
  (alias export $types "task-output" (type $output))
  (core module $m
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (data (i32.const 1024) "MANIFEST")
    (data (i32.const 512) "nope")
    ;; (pointer, length) of the manifest.
    (data (i32.const 0) "\00\04\00\00LENGTH")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.add (i32.shr_u (local.get 3) (i32.const 16)) (i32.const 1)))))
      (local.get $at))
    (func $recurse (param i32) (result i32)
      (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
    (func $answer (param $at i32) (param $length i32)
      (i32.store8 (i32.const 256) (i32.const 0))
      (i32.store (i32.const 264) (local.get $at))
      (i32.store (i32.const 268) (local.get $length))
      (i32.store8 (i32.const 272) (i32.const 0)))
    (func (export "describe") (result i32) DESCRIBE)
    (func (export "run-task") (param $args i32) (result i32)
      (local $what i32)
      (local.set $what (i32.load8_u (i32.load offset=8 (local.get $args))))
      ;; 1: never returns
      (if (i32.eq (local.get $what) (i32.const 0x31)) (then (loop $l (br $l))))
      ;; 2: takes memory until refused, then traps
      (if (i32.eq (local.get $what) (i32.const 0x32)) (then
        (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (unreachable)))
      ;; 3: recurses
      (if (i32.eq (local.get $what) (i32.const 0x33)) (then
        (drop (call $recurse (i32.const 0)))))
      ;; 4: traps
      (if (i32.eq (local.get $what) (i32.const 0x34)) (then (unreachable)))
      ;; 5: answers 20 MiB
      (if (i32.eq (local.get $what) (i32.const 0x35)) (then
        (drop (memory.grow (i32.const 330)))
        (call $answer (i32.const 0) (i32.const 20971520))
        (return (i32.const 256))))
      ;; 6: answers what is not JSON
      (if (i32.eq (local.get $what) (i32.const 0x36)) (then
        (call $answer (i32.const 512) (i32.const 4))
        (return (i32.const 256))))
      ;; 7: answers an address outside its memory
      (if (i32.eq (local.get $what) (i32.const 0x37)) (then
        (call $answer (i32.const 0x7ffffff0) (i32.const 100))
        (return (i32.const 256))))
      ;; 8: reports `conflict`
      (if (i32.eq (local.get $what) (i32.const 0x38)) (then
        (i32.store8 (i32.const 256) (i32.const 1))
        (i32.store8 (i32.const 264) (i32.const 3))
        (i32.store (i32.const 272) (i32.const 512))
        (i32.store (i32.const 276) (i32.const 4))
        (i32.store8 (i32.const 280) (i32.const 0))
        (return (i32.const 256))))
      ;; anything else: its input
      (call $answer
        (i32.load offset=8 (local.get $args)) (i32.load offset=12 (local.get $args)))
      (i32.const 256)))
  (core instance $i (instantiate $m))
  (type $describe-type (func (result string)))
  (func $describe (type $describe-type)
    (canon lift (core func $i "describe") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (type $run-type (func
    (param "action" string) (param "input" string) (param "ctx" $context)
    (result (result $output (error $error)))))
  (func $run (type $run-type)
    (canon lift (core func $i "run-task") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (export "describe" (func $describe))
  (export "run-task" (func $run)))
