/* libgcc of glibc systems finds unwind tables by a function that musl lacks. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>

struct object {
    unsigned long long flags;
    void *start, *end, *link_map, *eh_frame;
};

struct search {
    uintptr_t pc;
    struct object *found;
};

static int find(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    uintptr_t tables = 0, start = 0, end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_GNU_EH_FRAME) {
            tables = at;
        } else if (part->p_type == PT_LOAD && at <= search->pc && search->pc - at < part->p_memsz) {
            start = at;
            end = at + part->p_memsz;
        }
    }
    if (start == 0 || tables == 0) {
        return 0;
    }
    *search->found = (struct object){0, (void *)start, (void *)end, 0, (void *)tables};
    return 1;
}

int _dl_find_object(void *pc, void *object) {
    struct search search = {(uintptr_t)pc, object};
    return dl_iterate_phdr(find, &search) ? 0 : -1;
}
