using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Provenance;

/// <summary>The SHA-256 of one file, worked out piece by piece by whatever thread has time: one at a time, since each piece needs the one before.</summary>
internal sealed class HashChain : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Lock _gate = new();
    private readonly SafeFileHandle _file;
    private readonly bool _ownsFile;
    private readonly string _path;
    private long _done;

    /// <summary>Hashes an open file, which stays the caller's.</summary>
    /// <param name="name">Its bare name.</param>
    /// <param name="file">May still be growing: hash up to what is written.</param>
    /// <param name="length">Its length in the end.</param>
    public HashChain(string name, SafeFileHandle file, long length)
        : this(name, name, file, length, ownsFile: false)
    {
    }

    private HashChain(string name, string path, SafeFileHandle file, long length, bool ownsFile) => (Name, _path, _file, Length, _ownsFile) = (name, path, file, length, ownsFile);

    /// <summary>The bare file name.</summary>
    public string Name { get; }

    public long Length { get; }

    public long Left => Length - Volatile.Read(ref _done);

    /// <summary>Opens a file to hash it.</summary>
    public static HashChain Open(string path)
    {
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        return new HashChain(Path.GetFileName(path), path, file, RandomAccess.GetLength(file), ownsFile: true);
    }

    /// <summary>Hashes the next piece, unless all up to the limit is hashed or another thread is at it.</summary>
    /// <returns>Whether it did.</returns>
    public bool TryAdvance(long limit, Span<byte> buffer)
    {
        if (!_gate.TryEnter())
            return false;
        try
        {
            var wanted = (int)Math.Clamp(Math.Min(limit, Length) - _done, 0, buffer.Length);
            if (wanted == 0)
                return false;
            var read = RandomAccess.Read(_file, buffer[..wanted], _done);
            if (read == 0)
                throw new IOException($"'{_path}' became shorter while it was hashed.");
            _hash.AppendData(buffer[..read]);
            Volatile.Write(ref _done, _done + read);
            return true;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>The hash, once nothing is left.</summary>
    public HashedFile ToHashedFile() => Left == 0
        ? new HashedFile(Name, Length, Convert.ToHexStringLower(_hash.GetCurrentHash()))
        : throw new InvalidOperationException($"{Left} bytes of '{Name}' are not hashed yet.");

    public void Dispose()
    {
        _hash.Dispose();
        if (_ownsFile)
            _file.Dispose();
    }
}
