using FineMixing.Checkpoints.Pickle;
using FineMixing.Checkpoints.Safetensors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FineMixing.Checkpoints;

/// <summary>Opens a checkpoint of any supported kind.</summary>
public static class Checkpoint
{
    /// <summary>The name of a single safetensors file in a Hugging Face folder.</summary>
    public const string SafetensorsFile = "model.safetensors";

    /// <summary>The name of the index of a sharded safetensors checkpoint.</summary>
    public const string SafetensorsIndex = "model.safetensors.index.json";

    private const string BinFile = "pytorch_model.bin";
    private const string BinIndex = "pytorch_model.bin.index.json";

    /// <summary>Opens a model folder (safetensors preferred over PyTorch files, single file over shards) or one weights file or index.</summary>
    /// <param name="folderOrFile">A Hugging Face model folder, a <c>.safetensors</c>, <c>.bin</c>, <c>.pt</c>, <c>.pth</c> or <c>.ckpt</c> file, or an <c>.index.json</c>.</param>
    /// <param name="logger">Told which of several files is read, and which entries of it are not tensors.</param>
    /// <exception cref="DirectoryNotFoundException">Nothing is there.</exception>
    /// <exception cref="FileNotFoundException">The folder has no weights.</exception>
    /// <exception cref="CheckpointFormatException">The weights break a rule of their format.</exception>
    public static ICheckpoint Open(string folderOrFile, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folderOrFile);
        if (Directory.Exists(folderOrFile))
            return OpenFile(ChooseWeights(folderOrFile, logger ?? NullLogger.Instance), logger);
        if (File.Exists(folderOrFile))
            return OpenFile(folderOrFile, logger);
        throw new DirectoryNotFoundException($"There is no checkpoint at '{folderOrFile}': neither a folder nor a file has that name.");
    }

    private static ICheckpoint OpenFile(string path, ILogger? logger)
    {
        var name = Path.GetFileName(path);
        if (name.EndsWith(".bin.index.json", StringComparison.Ordinal))
            return PickleCheckpoint.Open(path, logger);
        if (name.EndsWith(".index.json", StringComparison.Ordinal))
            return ShardedSafetensorsCheckpoint.Open(path);
        return Path.GetExtension(name) is ".bin" or ".pt" or ".pth" or ".ckpt"
            ? PickleCheckpoint.Open(path, logger)
            : SafetensorsCheckpoint.Open(path);
    }

    private static string ChooseWeights(string folder, ILogger logger)
    {
        string[] preferred = [SafetensorsFile, SafetensorsIndex, BinFile, BinIndex];
        var present = preferred.Where(name => File.Exists(Path.Combine(folder, name))).ToArray();
        if (present.Length == 0)
            throw new FileNotFoundException($"The folder '{folder}' has no weights: none of {string.Join(", ", preferred)}. It has {DescribeContent(folder)}.");
        if (present.Length > 1)
            logger.LogInformation("The folder {Folder} has several checkpoints ({Present}); reading {Chosen}.", folder, string.Join(", ", present), present[0]);
        return Path.Combine(folder, present[0]);
    }

    private static string DescribeContent(string folder)
    {
        const int Shown = 10;
        var names = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal).Take(Shown + 1).ToArray();
        return names.Length == 0 ? "no files" : string.Join(", ", names.Take(Shown)) + (names.Length > Shown ? ", …" : "");
    }
}
