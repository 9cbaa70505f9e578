using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Provenance;

/// <summary>SHA-256 of files, in bounded memory.</summary>
public static class FileHasher
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>The SHA-256 of a file in lower-case hexadecimal.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string Sha256(string path, CancellationToken cancellationToken = default)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
        return Sha256(handle, cancellationToken);
    }

    /// <summary>The SHA-256 of an open file, from its beginning to its end.</summary>
    public static string Sha256(SafeFileHandle handle, CancellationToken cancellationToken = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[ChunkBytes];
        for (long offset = 0; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = RandomAccess.Read(handle, buffer, offset);
            if (count == 0)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
            hash.AppendData(buffer, 0, count);
            offset += count;
        }
    }
}
