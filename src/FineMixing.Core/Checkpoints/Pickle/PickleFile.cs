using System.Numerics;
using Microsoft.Extensions.Logging;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>Takes the tensors out of one PyTorch file: zip (PyTorch 1.6 and later) or legacy.</summary>
internal static class PickleFile
{
    // torch.serialization.MAGIC_NUMBER and PROTOCOL_VERSION of the format before PyTorch 1.6.
    private static readonly BigInteger LegacyMagic = BigInteger.Parse("119547037146038801333356", System.Globalization.CultureInfo.InvariantCulture);
    private const long LegacyProtocol = 1001;
    private const int ShownNames = 10;

    // Where training scripts put the state dict, in the order they are looked for.
    private static readonly string[] NestedUnder = ["state_dict", "model_state_dict", "model"];

    /// <summary>All tensors, in the order of the state dict.</summary>
    /// <exception cref="CheckpointFormatException">The file breaks a rule.</exception>
    public static List<PickleTensorView> Read(ByteSource source, ILogger logger)
    {
        Span<byte> start = stackalloc byte[(int)Math.Min(4, source.Length)];
        source.Read(0, start);
        if (start is [(byte)'P', (byte)'K', 3, 4])
            return ReadZip(source, logger);
        if (start is [0x80, >= 2 and <= 5, ..])
            return ReadLegacy(source, logger);
        throw new CheckpointFormatException(start.SequenceEqual("vers"u8)
            ? "this looks like a Git LFS pointer, not like the file itself; fetch it with 'git lfs pull'"
            : "this is neither a PyTorch zip file nor a pickle", source.Name, 0);
    }

    private static List<PickleTensorView> ReadZip(ByteSource source, ILogger logger)
    {
        var entries = ZipDirectory.Read(source);
        var pickles = entries.Keys.Where(n => n.EndsWith("/data.pkl", StringComparison.Ordinal) && n.IndexOf('/') == n.Length - "/data.pkl".Length).ToArray();
        if (pickles is not [var pickleName])
            throw new CheckpointFormatException($"a PyTorch file has one entry NAME/data.pkl; this zip file has {pickles.Length}", source.Name);
        var folder = pickleName[..^"data.pkl".Length];
        if (entries.ContainsKey(folder + "constants.pkl"))
            throw new CheckpointFormatException("this is a TorchScript program, not a state dict", source.Name);
        if (entries.TryGetValue(folder + "byteorder", out var order) && (order.Length != 6 || !source.ReadArray(order.Offset, 6).AsSpan().SequenceEqual("little"u8)))
            throw new CheckpointFormatException("the byte order of the file is not 'little'", source.Name, order.Offset);
        var pickle = entries[pickleName];
        if (pickle.Length > PickleLimits.PickleBytes)
            throw new CheckpointFormatException($"the pickle has {pickle.Length} bytes; at most {PickleLimits.PickleBytes} are read", source.Name, pickle.Offset);
        var root = RestrictedUnpickler.Load(source.ReadArray(pickle.Offset, (int)pickle.Length), out var used, source.Name, pickle.Offset);
        if (used != pickle.Length)
            throw new CheckpointFormatException($"{pickle.Length - used} bytes follow the end of the pickle", source.Name, pickle.Offset + used);
        return Extract(source, logger, root, storage => entries.TryGetValue($"{folder}data/{storage.Key}", out var entry)
            ? entry
            : throw new CheckpointFormatException($"the storage {PickleText.Quote(storage.Key)} is not in the zip file", source.Name));
    }

    // Five pickles (magic number, version, system, the object, the keys of the storages), then per storage its length and its bytes.
    private static List<PickleTensorView> ReadLegacy(ByteSource source, ILogger logger)
    {
        ReadOnlySpan<byte> bytes = source.ReadArray(0, (int)Math.Min(source.Length, PickleLimits.PickleBytes));
        var position = 0;
        if (Next(bytes, source, ref position) is not BigInteger magic || magic != LegacyMagic)
            throw new CheckpointFormatException("this is a pickle, but not one that PyTorch's torch.save wrote", source.Name, 0);
        if (Next(bytes, source, ref position) is not LegacyProtocol)
            throw new CheckpointFormatException($"the protocol of a legacy PyTorch file is not {LegacyProtocol}", source.Name, position);
        if (Next(bytes, source, ref position) is not PickleDict system || system.Find("little_endian") is not true)
            throw new CheckpointFormatException("the byte order of the legacy PyTorch file is not little-endian", source.Name, position);
        var mentioned = new List<PickleStorage>();
        var root = Next(bytes, source, ref position, mentioned);
        var storages = new Dictionary<string, PickleStorage>(StringComparer.Ordinal);
        foreach (var storage in mentioned)
        {
            // Only the element type tells how long a storage is, so there must be one answer.
            if (!storages.TryAdd(storage.Key, storage) && storages[storage.Key] != storage)
                throw new CheckpointFormatException($"the storage {PickleText.Quote(storage.Key)} is stated in two ways", source.Name);
        }

        if (Next(bytes, source, ref position) is not PickleList keys)
            throw new CheckpointFormatException("the list of storages of the legacy PyTorch file is missing", source.Name, position);

        var places = new Dictionary<string, ZipEntry>(StringComparer.Ordinal);
        long offset = position;
        Span<byte> header = stackalloc byte[8];
        for (var i = 0; i < keys.Count; i++)
        {
            if (keys[i] is not string key || !storages.TryGetValue(key, out var storage))
                throw new CheckpointFormatException("the legacy PyTorch file holds a storage that its pickle does not mention", source.Name, offset);
            source.Read(offset, header);
            var count = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(header);
            if (count != storage.Length || storage.ByteLength > source.Length - offset - 8)
                throw new CheckpointFormatException($"the storage {PickleText.Quote(key)} is stated with {storage.Length} elements, and here with {count}; {source.Length - offset - 8} bytes are left", source.Name, offset);
            if (!places.TryAdd(key, new ZipEntry(offset + 8, storage.ByteLength)))
                throw new CheckpointFormatException($"the storage {PickleText.Quote(key)} is there twice", source.Name, offset);
            offset += 8 + storage.ByteLength;
        }

        if (offset != source.Length)
            throw new CheckpointFormatException($"{source.Length - offset} bytes follow the last storage", source.Name, offset);
        return Extract(source, logger, root, storage => places.TryGetValue(storage.Key, out var place)
            ? place
            : throw new CheckpointFormatException($"the storage {PickleText.Quote(storage.Key)} is not in the file", source.Name));
    }

    private static object? Next(ReadOnlySpan<byte> bytes, ByteSource source, ref int position, ICollection<PickleStorage>? storages = null)
    {
        var value = RestrictedUnpickler.Load(bytes[position..], out var used, source.Name, position, storages);
        position += used;
        return value;
    }

    private static List<PickleTensorView> Extract(ByteSource source, ILogger logger, object? root, Func<PickleStorage, ZipEntry> locate)
    {
        var (stateDict, path) = FindStateDict(source, root);
        var views = new List<PickleTensorView>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var ignored = new List<string>();
        var ignoredCount = 0;
        Int128 total = 0;
        foreach (var (key, value) in stateDict.Items)
        {
            if (value is not PickleTensor tensor)
            {
                if (++ignoredCount <= ShownNames)
                    ignored.Add(key is string text ? PickleText.Quote(text) : "(not text)");
                continue;
            }

            if (key is not string name)
                throw new CheckpointFormatException("the name of a tensor is not text", source.Name);
            if (System.Text.Encoding.UTF8.GetByteCount(name) > PickleLimits.TensorNameBytes)
                throw new CheckpointFormatException($"the name of a tensor is longer than {PickleLimits.TensorNameBytes} bytes", source.Name, tensor: name);
            if (!names.Add(name))
                throw new CheckpointFormatException("two tensors have this name", source.Name, tensor: name);
            var view = PickleTensorView.Create(name, tensor, source, locate(tensor.Storage));
            total += view.Info.ByteLength;
            if (total > PickleLimits.TensorBytes(source.Length))
                throw new CheckpointFormatException($"the tensors take more than {PickleLimits.TensorBytes(source.Length)} bytes in all, from a file of {source.Length}: shared and expanded tensors count each time", source.Name, tensor: name);
            views.Add(view);
        }

        if (ignoredCount > 0)
            logger.LogInformation("{File}: {Count} entries of {Place} are not tensors and were ignored: {Names}{More}", source.Name, ignoredCount, path, string.Join(", ", ignored), ignoredCount > ShownNames ? ", …" : "");
        return views;
    }

    private static (PickleDict StateDict, string Path) FindStateDict(ByteSource source, object? root)
    {
        if (root is not PickleDict top)
            throw new CheckpointFormatException("the file holds something other than a dict of tensors", source.Name);
        if (HasTensors(top))
            return (top, "the state dict");
        foreach (var key in NestedUnder)
        {
            if (top.Find(key) is PickleDict nested && HasTensors(nested))
                return (nested, $"'{key}'");
        }

        throw new CheckpointFormatException($"no tensors were found, neither directly nor under {string.Join(", ", NestedUnder.Select(n => $"'{n}'"))}", source.Name);
    }

    private static bool HasTensors(PickleDict dict) => dict.Items.Any(i => i.Value is PickleTensor);
}
