using System.Diagnostics;

namespace FineMixing.Checkpoints.Pickle;

// What a restricted pickle can hold besides null, bool, long, BigInteger, double and string. None of these runs anything.

/// <summary>A value whose content is of no use to a checkpoint (raw bytes).</summary>
internal sealed class PickleOpaque
{
    public static readonly PickleOpaque Bytes = new();
}

/// <summary>A tuple, or a torch.Size.</summary>
[DebuggerDisplay("{Items.Length} items")]
internal sealed class PickleTuple(object?[] items)
{
    public static readonly PickleTuple Empty = new([]);

    public object?[] Items => items;
}

/// <summary>A list.</summary>
internal sealed class PickleList
{
    private List<object?>? _items;

    public int Count => _items?.Count ?? 0;

    public object? this[int index] => _items![index];

    public void Add(object? item) => (_items ??= []).Add(item);
}

/// <summary>A dict or OrderedDict: pairs in the order they were set. Keys are compared only where a state dict is taken out.</summary>
internal sealed class PickleDict
{
    private List<(object? Key, object? Value)>? _items;

    public IReadOnlyList<(object? Key, object? Value)> Items => _items ?? [];

    public void Set(object? key, object? value) => (_items ??= []).Add((key, value));

    /// <summary>The value last set under that text.</summary>
    public object? Find(string key)
    {
        for (var i = (_items?.Count ?? 0) - 1; i >= 0; i--)
        {
            if (_items![i].Key is string text && text == key)
                return _items[i].Value;
        }

        return null;
    }
}

/// <summary>The bytes a tensor looks at: an entry of the zip file, or a part of a legacy file.</summary>
/// <param name="Key">The entry's name; never a path.</param>
/// <param name="ElementType">Null for an untyped storage.</param>
/// <param name="Length">The number of elements, or bytes when untyped.</param>
internal sealed record PickleStorage(string Key, DType? ElementType, long Length)
{
    public long ByteLength => Length * ((ElementType?.BitSize() ?? 8) / 8);
}

/// <summary>A view of a storage, as the pickle states it: nothing is checked against the storage yet.</summary>
internal sealed record PickleTensor(PickleStorage Storage, DType DType, long Offset, long[] Shape, long[] Strides);
