using System.Collections.Frozen;
using FineMixing.Checkpoints.Safetensors;
using FineMixing.Provenance;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>How a checkpoint is written.</summary>
public sealed record CheckpointWriterOptions
{
    /// <summary>The most bytes of tensor data in one file; at least 1, default 5 GB. A larger tensor gets a file of its own.</summary>
    public long MaxShardBytes { get; init; } = 5_000_000_000;

    /// <summary>Whether weights that are already in the folder may be replaced; default no.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Added to the <c>__metadata__</c> of every file, beside <c>format</c> = <c>pt</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>A model folder whose other files (configuration, tokenizer) are copied beside the weights; default none.</summary>
    public string? CopyOtherFilesFrom { get; init; }

    /// <summary>Further small files by name; they take the place of files of the same name that would be copied.</summary>
    public IReadOnlyDictionary<string, ReadOnlyMemory<byte>> ExtraFiles { get; init; } = new Dictionary<string, ReadOnlyMemory<byte>>();

    /// <summary>How the checkpoint was made: its short form goes into the <c>__metadata__</c>, and with the hashes of all files it becomes the folder's <c>finemixing.json</c>; default none.</summary>
    public ProvenanceManifest? Manifest { get; init; }

    internal Func<string, long, SafeFileHandle>? CreateFile { get; init; }

    internal IReadOnlyDictionary<string, string> AllMetadata =>
        Manifest is null ? Metadata : new Dictionary<string, string>(Metadata.Concat(Manifest.ToMetadata()), StringComparer.Ordinal);
}

/// <summary>Writes a checkpoint as safetensors in a Hugging Face model folder: all files or none.</summary>
public static class CheckpointWriter
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes all tensors of a checkpoint.</summary>
    /// <param name="source">Read piece by piece.</param>
    /// <param name="folder">Created if missing.</param>
    /// <param name="options">Defaults if null.</param>
    /// <param name="cancellationToken">Cancels; nothing is left behind.</param>
    /// <returns>The full paths of the files written.</returns>
    /// <exception cref="ArgumentException">The tensors cannot be stored (see <see cref="SafetensorsLayout.Plan"/>).</exception>
    /// <exception cref="IOException">A target exists and <see cref="CheckpointWriterOptions.Overwrite"/> is off, or the disk is full.</exception>
    public static IReadOnlyList<string> Write(ICheckpoint source, string folder, CheckpointWriterOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new CheckpointWriterOptions();
        var plan = ShardPlan.Create(source.Tensors, options.MaxShardBytes, options.AllMetadata);
        RefuseOtherWeights(folder, plan, options.Overwrite);
        using var output = options.CreateFile is null
            ? new OutputTransaction(folder, options.Overwrite)
            : new OutputTransaction(folder, options.Overwrite, options.CreateFile);
        if (options.CopyOtherFilesFrom is not null)
            AddOtherFiles(output, options.CopyOtherFilesFrom, source.Tensors, cancellationToken, options.ExtraFiles.Keys);
        foreach (var (name, content) in options.ExtraFiles.OrderBy(f => f.Key, StringComparer.Ordinal))
            output.Add(name, content.Span);
        foreach (var file in plan.Files)
            WriteFile(source, file.Layout, output.Create(file.FileName, file.Layout.TotalLength), cancellationToken);
        AddIndex(output, plan);
        source.EnsureUnchanged();
        if (options.Manifest is { } manifest)
            output.Add(ProvenanceManifest.FileName, (manifest with { Outputs = [.. output.HashFiles(cancellationToken)] }).ToBytes());
        output.Commit(ObsoleteWeights(output.Folder, plan), cancellationToken);
        return FilesOf(output.Folder, plan);
    }

    /// <summary>Adds the index of a sharded plan to an output, as the last of its weights.</summary>
    internal static void AddIndex(OutputTransaction output, ShardPlan plan)
    {
        if (plan.IsSharded)
            plan.WriteIndex(length => output.Create(Checkpoint.SafetensorsIndex, length));
    }

    /// <summary>The full paths of a plan's files, index last.</summary>
    internal static string[] FilesOf(string folder, ShardPlan plan) =>
        [.. plan.Files.Select(f => f.FileName).Concat(plan.IsSharded ? [Checkpoint.SafetensorsIndex] : []).Select(name => Path.Combine(folder, name))];

    /// <summary>Refuses a folder whose weights would be mistaken for, or mixed with, the new ones.</summary>
    internal static void RefuseOtherWeights(string folder, ShardPlan plan, bool overwrite)
    {
        if (overwrite || !Directory.Exists(folder))
            return;
        var existing = Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f)).Where(IsWeights)
            .Concat(FilesOf(folder, plan).Where(File.Exists).Select(f => Path.GetFileName(f)))
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        if (existing.Length > 0)
            throw new IOException($"The folder '{folder}' already has weights ({string.Join(", ", existing)}); they are only replaced when overwriting is asked for.");
    }

    /// <summary>The earlier safetensors weights of a folder that a plan does not replace by name, and the earlier index: removed first, so that a crash never leaves an index beside shards of another model.</summary>
    internal static string[] ObsoleteWeights(string folder, ShardPlan plan)
    {
        var replaced = plan.Files.Select(f => f.FileName).ToHashSet(StringComparer.Ordinal);
        return [.. Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f))
            .Where(name => IsWeights(name) && !replaced.Contains(name))
            .OrderByDescending(name => name == Checkpoint.SafetensorsIndex)];
    }

    /// <summary>Adds the files of a model folder that are not weights: configuration (with the labels of the head beside it), tokenizer, licence.</summary>
    internal static void AddOtherFiles(OutputTransaction output, string sourceFolder, IEnumerable<TensorInfo> tensors, CancellationToken cancellationToken, IEnumerable<string>? except = null)
    {
        var left = except?.ToHashSet(StringComparer.Ordinal) ?? [];
        var source = Path.TrimEndingDirectorySeparator(Path.GetFullPath(sourceFolder));
        if (source == output.Folder)
            return;
        foreach (var path in Directory.EnumerateFiles(source).Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(path);
            // Another output's manifest says nothing about this one; a half-written file says nothing at all.
            if (left.Contains(name) || IsAnyWeights(name) || IsCode(name) || name == ProvenanceManifest.FileName || Path.GetExtension(name) == ".tmp")
                continue;
            var file = FolderLinks.Follow(source, name);
            if (name == "config.json" && HeadLabels.Adapt(file, tensors) is { } adapted)
                output.Add(name, adapted);
            else
                CopyFile(file, output, name, cancellationToken);
        }
    }

    private static void CopyFile(string path, OutputTransaction output, string name, CancellationToken cancellationToken)
    {
        if (CheckpointFile.IsEmpty(path))
        {
            output.Create(name, 0);
            return;
        }

        using var file = new CheckpointFile(path);
        var target = output.Create(name, file.Length);
        var buffer = new byte[Math.Min(ChunkBytes, file.Length)];
        for (long done = 0; done < file.Length; done += ChunkBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, file.Length - done));
            file.Read(done, chunk);
            RandomAccess.Write(target, chunk, done);
        }
    }

    private static bool IsWeights(string name) =>
        name is Checkpoint.SafetensorsFile or Checkpoint.SafetensorsIndex
        || (name.StartsWith("model-", StringComparison.Ordinal) && name.Contains("-of-", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal));

    // Also with something behind it, such as "model.ckpt.data-00000-of-00001" or "model.safetensors.bak".
    private static readonly FrozenSet<string> WeightFormats = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        ".safetensors", ".bin", ".pt", ".pth", ".pt2", ".ptl", ".pkl", ".pickle", ".joblib", ".h5", ".hdf5", ".keras", ".tflite", ".pb", ".npz", ".npy", ".msgpack", ".onnx", ".gguf", ".ggml", ".ot", ".mlmodel", ".ckpt");

    // A stranger's program, or a file that makes loaders put weights from elsewhere on top.
    private static bool IsCode(string name) =>
        Path.GetExtension(name).ToLowerInvariant() is ".py" or ".pyc" or ".so" or ".dll" or ".sh" or ".bat" or ".ps1" or ".exe" or ".js"
        || name.Equals("adapter_config.json", StringComparison.OrdinalIgnoreCase);

    /// <summary>True for weights in any format, whatever they are called.</summary>
    internal static bool IsAnyWeights(string name) =>
        WeightFormats.Contains(Path.GetExtension(name)) || name.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase)
        || WeightFormats.Any(format => name.Contains(format + ".", StringComparison.OrdinalIgnoreCase));

    private static void WriteFile(ICheckpoint source, SafetensorsLayout layout, SafeFileHandle file, CancellationToken cancellationToken)
    {
        layout.WriteHeader(file);
        var buffer = new byte[ChunkBytes];
        foreach (var (tensor, fileOffset) in layout.Entries)
        {
            for (long done = 0; done < tensor.ByteLength; done += ChunkBytes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, tensor.ByteLength - done));
                source.Read(tensor, done, chunk);
                RandomAccess.Write(file, chunk, fileOffset + done);
            }
        }
    }
}
