using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>Lets the disk begin with what is written, so that flushing in the end has less to wait for.</summary>
internal static partial class EarlyFlush
{
    private const uint BeginWriting = 2; // SYNC_FILE_RANGE_WRITE

    /// <summary>Begins writing a part of a file to the disk; a hint, which systems other than Linux do without.</summary>
    public static void Begin(SafeFileHandle file, long offset, long length)
    {
        if (OperatingSystem.IsLinux())
            _ = SyncFileRange(file, offset, length, BeginWriting);
    }

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);
}
