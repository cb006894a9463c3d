# SPDX-License-Identifier: GPL-2.0
# The programs, and what each is made of: for the kernel's Makefile, and for a
# build outside of a kernel tree.

DAX_PROGS := dax_direct dax_process_vm dax_splice dax_futex dax_hold dax_race \
	     dax_raw dax_refcount dax_unbind dax_cost dax_reflink dax_huge \
	     dax_char dax_infoblock dax_media dax_teardown dax_enable \
	     dax_fail_nth dax_p2p dax_poison dax_clear \
	     dax_walk dax_hmm dax_ptdump dax_numa dax_lru_gen dax_track dax_frames dax_promise dax_tlb dax_pin dax_pin_clone \
	     dax_pin_life dax_pin_mount dax_umount dax_vfio dax_mixed

# This one has a guest in machine code.
DAX_PROGS += $(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),dax_kvm)

# These need a library each: without its header they are left out.
have = $(shell echo '\#include <$(1)>' | $(CC) -E -x c - >/dev/null 2>&1 && echo $(2))
DAX_PROGS += $(call have,libaio.h,dax_aio)
DAX_PROGS += $(call have,liburing.h,dax_uring dax_pin_race)
DAX_PROGS += $(call have,infiniband/verbs.h,dax_ibv_reg_mr dax_remote)
DAX_PROGS += $(if $(call have,libaio.h,y),$(call have,liburing.h,dax_truncate_dma dax_move_dma dax_fsync dax_soak dax_window))

%/dax_aio: LDLIBS += -laio
%/dax_uring %/dax_pin_race: LDLIBS += -luring
%/dax_ibv_reg_mr %/dax_remote: LDLIBS += -libverbs
%/dax_truncate_dma %/dax_move_dma %/dax_fsync %/dax_soak %/dax_window: LDLIBS += -laio -luring
%/dax_race %/dax_raw %/dax_reflink %/dax_huge %/dax_numa %/dax_kvm %/dax_tlb %/dax_pin_life: LDLIBS += -lpthread
