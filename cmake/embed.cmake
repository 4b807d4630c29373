# darkroom_embed(TARGET FILE SYMBOL): puts a file into a library as read-only bytes
#
#   extern const unsigned char SYMBOL[];    the bytes, and a 0 behind them, so text is also a C string
#   extern const size_t SYMBOL_len;         how many, without that 0
#
# The assembler reads the file itself: no generated C of five characters a byte, and no limit on size.
function(darkroom_embed target file symbol)
	get_filename_component(path "${file}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}")
	set(assembly "${PROJECT_BINARY_DIR}/generated/embed_${symbol}.S")
	file(CONFIGURE OUTPUT "${assembly}" @ONLY NEWLINE_STYLE LF CONTENT [[
	.section .rodata.@symbol@, "a"
	.balign 16
	.globl @symbol@
	.type @symbol@, %object
@symbol@:
	.incbin "@path@"
1:
	.byte 0
	.size @symbol@, . - @symbol@
	.balign 8
	.globl @symbol@_len
	.type @symbol@_len, %object
@symbol@_len:
	.quad 1b - @symbol@
	.size @symbol@_len, 8
	.section .note.GNU-stack, "", %progbits
]])
	set_property(SOURCE "${assembly}" APPEND PROPERTY OBJECT_DEPENDS "${path}")
	target_sources(${target} PRIVATE "${assembly}")
endfunction()
