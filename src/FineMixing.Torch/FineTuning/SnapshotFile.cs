using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace FineMixing.Torch.FineTuning;

/// <summary>The state of an unfinished training run in one file: a title, a key that says which run it is, named parts, and a SHA-256 of all that.</summary>
internal static unsafe class SnapshotFile
{
    private const string Title = "FineMixing training snapshot 1\n";
    private const int HashLength = 32;
    private const int ChunkLength = 1 << 24;

    /// <summary>Writes the state under a temporary name, and renames: a crash leaves the earlier snapshot.</summary>
    public static void Write(string path, string key, Action<IStateTransfer> describe)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = path + ".tmp";
        try
        {
            using (var writer = new Writer(temporary, key))
            {
                describe(writer);
                writer.Finish();
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Reads the state back.</summary>
    /// <returns>False when there is no whole snapshot of this run, and then nothing was read.</returns>
    /// <exception cref="InvalidDataException">The file is whole but its parts are not those asked for.</exception>
    public static bool TryRead(string path, string key, Action<IStateTransfer> describe)
    {
        if (!File.Exists(path))
            return false;
        using var reader = new Reader(path);
        if (!reader.IsWhole(key))
            return false;
        describe(reader);
        return true;
    }

    private static byte[] Head(string key) => Encoding.UTF8.GetBytes(Title + key + "\n");

    private sealed class Writer : IStateTransfer, IDisposable
    {
        private readonly FileStream _file;
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public Writer(string path, string key)
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None);
            Write(Head(key));
        }

        public void Memory(string name, void* address, long bytes)
        {
            Write(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{name} {bytes}\n")));
            for (long at = 0; at < bytes; at += ChunkLength)
                Write(new ReadOnlySpan<byte>((byte*)address + at, (int)Math.Min(ChunkLength, bytes - at)));
        }

        public T[] Values<T>(string name, T[] values)
            where T : unmanaged
        {
            fixed (T* p = values)
                Memory(name, p, (long)values.Length * sizeof(T));
            return values;
        }

        public void Finish()
        {
            _file.Write(_hash.GetHashAndReset());
            _file.Flush(flushToDisk: true);
        }

        public void Dispose()
        {
            _file.Dispose();
            _hash.Dispose();
        }

        private void Write(ReadOnlySpan<byte> bytes)
        {
            _hash.AppendData(bytes);
            _file.Write(bytes);
        }
    }

    private sealed class Reader(string path) : IStateTransfer, IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);

        /// <summary>Whether the file belongs to this run and is as it was written; leaves the position at the first part.</summary>
        public bool IsWhole(string key)
        {
            var head = Head(key);
            var start = new byte[head.Length];
            if (_file.Length < head.Length + HashLength || _file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start.AsSpan().SequenceEqual(head))
                return false;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(start);
            var buffer = new byte[ChunkLength];
            for (var left = _file.Length - head.Length - HashLength; left > 0;)
            {
                var count = _file.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
                if (count == 0)
                    return false;
                hash.AppendData(buffer, 0, count);
                left -= count;
            }

            var written = new byte[HashLength];
            _file.ReadExactly(written);
            _file.Position = head.Length;
            return hash.GetHashAndReset().AsSpan().SequenceEqual(written);
        }

        public void Memory(string name, void* address, long bytes)
        {
            var length = Begin(name);
            if (length != bytes)
                throw new InvalidDataException($"'{path}': '{name}' has {length} bytes, expected {bytes}.");
            for (long at = 0; at < bytes; at += ChunkLength)
                _file.ReadExactly(new Span<byte>((byte*)address + at, (int)Math.Min(ChunkLength, bytes - at)));
        }

        public T[] Values<T>(string name, T[] values)
            where T : unmanaged
        {
            var length = Begin(name);
            if (length % sizeof(T) != 0 || length > _file.Length - _file.Position)
                throw new InvalidDataException($"'{path}': '{name}' has {length} bytes, expected numbers of {sizeof(T)}.");
            var result = new T[length / sizeof(T)];
            _file.ReadExactly(MemoryMarshal.AsBytes(result.AsSpan()));
            return result;
        }

        public void Dispose() => _file.Dispose();

        private long Begin(string name)
        {
            var line = new List<byte>();
            for (var next = _file.ReadByte(); next >= 0 && next != '\n' && line.Count < 1000; next = _file.ReadByte())
                line.Add((byte)next);
            var text = Encoding.UTF8.GetString([.. line]).Split(' ');
            return text.Length == 2 && text[0] == name && long.TryParse(text[1], out var length) && length >= 0
                ? length
                : throw new InvalidDataException($"'{path}': expected the part '{name}'.");
        }
    }
}
