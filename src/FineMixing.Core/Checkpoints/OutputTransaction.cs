using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>Writes several files of a folder all or none: each under a temporary name beside its target, renamed by <see cref="Commit"/>; without it everything is removed.</summary>
/// <remarks>A failure or cancellation before <see cref="Commit"/> leaves the folder as it was. Files are renamed in the order in which they were created: create the index last.</remarks>
public sealed class OutputTransaction : IDisposable
{
    private readonly Func<string, long, SafeFileHandle> _create;
    private readonly List<(string Temporary, string Target, SafeFileHandle Handle)> _files = [];
    private readonly bool _overwrite;
    private readonly List<string> _createdFolders = [];
    private bool _committed;

    /// <summary>Prepares a folder, created if missing.</summary>
    /// <param name="folder">Where the files go.</param>
    /// <param name="overwrite">Whether existing files may be replaced.</param>
    public OutputTransaction(string folder, bool overwrite)
        : this(folder, overwrite, CreateFile)
    {
    }

    internal OutputTransaction(string folder, bool overwrite, Func<string, long, SafeFileHandle> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        _overwrite = overwrite;
        _create = create;
        for (var parent = Folder; parent is not null && !Directory.Exists(parent); parent = Path.GetDirectoryName(parent))
            _createdFolders.Add(parent);
        Directory.CreateDirectory(Folder);
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>Whether the files are on the disk before they get their names; default yes. Without, a crash of the machine soon after may lose them.</summary>
    public bool FlushToDisk { get; init; } = true;

    /// <summary>The files created so far, by the names they will have.</summary>
    internal IEnumerable<(string Name, SafeFileHandle Handle)> Files => _files.Select(f => (Path.GetFileName(f.Target), f.Handle));

    /// <summary>Creates a file, preallocated to its final length, to be filled at any offsets from any threads.</summary>
    /// <param name="fileName">Its name in the folder.</param>
    /// <param name="length">Its final length in bytes.</param>
    /// <returns>The open file; owned by this object.</returns>
    /// <exception cref="IOException">The target exists and may not be replaced, or the disk is full.</exception>
    public SafeFileHandle Create(string fileName, long length)
    {
        if (Path.GetFileName(fileName) != fileName || fileName.Length == 0)
            throw new ArgumentException($"'{fileName}' is not a bare file name.", nameof(fileName));
        var target = Path.Combine(Folder, fileName);
        RefuseExisting(target);
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            var handle = _create(temporary, length);
            _files.Add((temporary, target, handle));
            return handle;
        }
        catch (IOException e) when (!e.Message.Contains(temporary, StringComparison.Ordinal))
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"'{target}' of {length} bytes cannot be created: {e.Message}"), e);
        }
    }

    /// <summary>Creates a small file with the given content.</summary>
    /// <inheritdoc cref="Create" path="/exception"/>
    public void Add(string fileName, ReadOnlySpan<byte> content) => RandomAccess.Write(Create(fileName, content.Length), content, 0);

    /// <summary>Hashes the files created so far, for a manifest that is added last.</summary>
    public IReadOnlyList<Provenance.HashedFile> HashFiles(CancellationToken cancellationToken = default) =>
        [.. _files.Select(f => new Provenance.HashedFile(Path.GetFileName(f.Target), RandomAccess.GetLength(f.Handle), Provenance.FileHasher.Sha256(f.Handle, cancellationToken)))];

    /// <summary>Flushes all files to disk and gives them their names.</summary>
    /// <param name="obsolete">Files to remove first, by name (an earlier index or shards that are not replaced), when overwriting.</param>
    /// <param name="cancellationToken">Looked at until the first file is renamed.</param>
    public void Commit(IEnumerable<string>? obsolete = null, CancellationToken cancellationToken = default)
    {
        foreach (var (_, _, handle) in _files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (FlushToDisk)
                RandomAccess.FlushToDisk(handle);
            handle.Dispose();
        }

        foreach (var (_, target, _) in _files)
            RefuseExisting(target);
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var name in _overwrite ? obsolete ?? [] : [])
            File.Delete(Path.Combine(Folder, name));
        foreach (var (temporary, target, _) in _files)
            File.Move(temporary, target, _overwrite);
        _committed = true;
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        foreach (var (temporary, _, handle) in _files)
        {
            handle.Dispose();
            if (!_committed)
                File.Delete(temporary);
        }

        foreach (var folder in _committed ? [] : _createdFolders)
        {
            if (!Directory.Exists(folder) || Directory.EnumerateFileSystemEntries(folder).Any())
                break;
            Directory.Delete(folder);
        }
    }

    private void RefuseExisting(string target)
    {
        if (!_overwrite && File.Exists(target))
            throw new IOException($"'{target}' exists; it is only replaced when overwriting is asked for.");
        if (Directory.Exists(target))
            throw new IOException($"'{target}' is a folder; a file cannot be written there.");
    }

    // CreateNew and a preallocated length: no truncation and no late allocation that closing would have to wait for.
    private static SafeFileHandle CreateFile(string path, long length) =>
        File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read, FileOptions.None, length);
}
