/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dax_pin

#if !defined(_TRACE_DAX_PIN_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DAX_PIN_H

#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/tracepoint.h>

/* pid is who pins, also where the last page is let go by somebody else. */
DECLARE_EVENT_CLASS(dax_pin_class,
	TP_PROTO(struct inode *inode, pgoff_t index, unsigned long nr,
		 pid_t pid),
	TP_ARGS(inode, index, nr, pid),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(unsigned long, ino)
		__field(pgoff_t, index)
		__field(unsigned long, nr)
		__field(pid_t, pid)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->index = index;
		__entry->nr = nr;
		__entry->pid = pid;
	),
	TP_printk("dev %d:%d ino %lu index %#lx pages %lu holder %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->index, __entry->nr, __entry->pid)
);

DEFINE_EVENT(dax_pin_class, dax_pin,
	TP_PROTO(struct inode *inode, pgoff_t index, unsigned long nr,
		 pid_t pid),
	TP_ARGS(inode, index, nr, pid));

DEFINE_EVENT(dax_pin_class, dax_unpin,
	TP_PROTO(struct inode *inode, pgoff_t index, unsigned long nr,
		 pid_t pid),
	TP_ARGS(inode, index, nr, pid));

TRACE_EVENT(dax_layout_refused,
	TP_PROTO(struct inode *inode, loff_t start, loff_t end),
	TP_ARGS(inode, start, end),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(unsigned long, ino)
		__field(loff_t, start)
		__field(loff_t, end)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("dev %d:%d ino %lu bytes %lld-%lld",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->start, __entry->end)
);

#endif /* _TRACE_DAX_PIN_H */

#include <trace/define_trace.h>
