namespace FineMixing.Tests.Checkpoints;

/// <summary>Does to files what other programs do while they are open here.</summary>
internal static class TestFiles
{
    public static void Truncate(string path, long length)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.SetLength(handle, length);
    }

    public static void Overwrite(string path, long offset, byte value)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(handle, [value], offset);
    }
}
