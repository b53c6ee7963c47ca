namespace TeRA.Kernels.Formats;

/// <summary>Lets a tensor's writer write exactly its bytes: more is refused before it is written, less when it is done.</summary>
internal sealed class BoundedStream(Stream inner, string tensor, long expected) : Stream
{
    private long written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => written;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length > expected - written)
        {
            throw Wrong($"more than {expected}");
        }

        inner.Write(buffer);
        written += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public void CheckComplete()
    {
        if (written != expected)
        {
            throw Wrong($"{written}");
        }
    }

    private InvalidOperationException Wrong(string found) =>
        new($"Tensor {Quote.Text(tensor)} needs {expected} bytes for its dtype and shape; its callback wrote {found}.");
}
